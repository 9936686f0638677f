"""Run by each chapter's kernel as it starts: no cell ends before it is heard.

What a library in C writes to stderr is read by a thread of the kernel, which
turns it into an output of the cell that runs then. If the thread is late,
there is none, and the line is lost. So each cell writes a mark of its own at
its end, and waits until the thread has come to it.
"""


def _listen():
    import os
    import sys
    import threading

    from IPython import get_ipython

    stream, heard = sys.stderr, threading.Event()
    if getattr(stream, 'watch_fd_thread', None) is None:
        return  # under pytest, a kernel does not read it
    write = stream.write

    def listen(text):
        length = write(text.replace('\0', ''))
        if '\0' in text:
            heard.set()
        return length

    def wait(*_):
        heard.clear()
        os.write(2, b'\0')
        if not heard.wait(60):
            raise TimeoutError('this kernel does not read its stderr')

    stream.write = listen
    get_ipython().events.register('post_run_cell', wait)


_listen()
del _listen
