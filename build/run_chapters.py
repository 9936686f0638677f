"""Execute the chapters whose stored outputs no longer fit, and only those.

Usage: python build/run_chapters.py [NAME ...], such as `fcn`, a chapter with
its exercises, or `chapters/fcn`, without them.

What decides is content, not time: a chapter's code, the definitions that it
reaches (see reach.py), the data set and the installed packages. Their digest
is kept in each executed notebook. If only prose changed, the new prose takes
over the stored outputs. d2lbook finds the notebooks newer than the chapters,
and so only converts them.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.metadata import distributions
from pathlib import Path

import blemishes
import book
import exercises
import progress
import reach
import save
from parts import whole

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

# Raise it when a change of this file makes the stored outputs obsolete.
FORMAT = 1
# What makes data and weights when they are first asked for.
SOURCES = {
    'voc_root': 'the data set is prepared',
    'backbone_file': 'the backbone is prepared',
}
FOLDERS = 'photos', 'weights'  # a cell that reads there names them
# Fewer threads leave a training chapter slow; more than this gain little.
THREADS_A_CHAPTER = 4


class Failure(Exception):
    """What went wrong, in words for whoever typed the command."""


# ------------------------------------------------------------------- Keys
def digest(*parts):
    """Sum up texts and numbers in one short word."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20]


def packages():
    """Return what is installed: names and versions."""
    place = sysconfig.get_path('purelib')
    found = {f'{d.name}=={d.version}' for d in distributions(path=[place])}
    return [sys.version, *sorted(found)]


def files_of(folder):
    """Sum up a folder of a data set by names, sizes and times."""
    with os.scandir(folder) as entries:
        stats = [(entry.name, entry.stat()) for entry in entries]
    return digest(sorted((n, s.st_size, s.st_mtime_ns) for n, s in stats))


def data_set(root):
    """Return what identifies the data and the pretrained weights."""
    found = [
        os.environ.get(name, '')
        for name in ('VOC_ROOT', 'BACKBONE', 'MXNET_GLUON_REPO', 'EPOCHS')
    ]
    for script in ('scenes.py', 'backbone.py'):
        path = root / 'build' / script
        found.append(path.read_text('utf-8') if path.exists() else '')
    choice, weights = found[:2]
    if choice not in ('', 'download'):
        voc = whole.place(choice)
        if not voc.is_dir():
            raise Failure(f'VOC_ROOT={choice} is not a folder')
        for part in ('ImageSets', 'JPEGImages', 'SegmentationClass'):
            for place in sorted(voc.glob(f'**/{part}')):
                within = sorted(folder for folder, _, _ in os.walk(place))
                found += map(files_of, within)
    if whole.place(weights).is_file():
        found.append(files_of(whole.place(weights).parent))
    mxnet = whole.place(os.environ.get('MXNET_HOME') or '~/.mxnet')
    models = mxnet.glob('models/resnet18_v2-*.params')
    return [*found, *sorted(model.name for model in models)]


def cells_of(notebook):
    """Return the code of each cell."""
    return [cell.source for cell in book.code_cells(notebook)]


class Keys:
    """Works out, for each page, the digest of all that its outputs rest on."""

    def __init__(self, root):
        self.surroundings = [FORMAT, packages()]
        self.data = data_set(root)
        self.code = reach.Book(root)
        self.files = {
            folder: [
                (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
                for path in sorted((root / folder).glob('*.[jz]*'))
            ]
            for folder in FOLDERS
        }

    def of(self, page):
        """Return the key of a page, read from its Markdown file."""
        cells = cells_of(page)
        if not cells:
            return digest(FORMAT)
        rests_on = [*self.surroundings, *map(reach.meaning, cells)]
        rests_on.append(sorted(self.code.reached_by(cells).items()))
        if self.sources_of(page):
            rests_on.append(self.data)
        for folder, files in self.files.items():
            if any(repr(folder) in cell for cell in cells):
                rests_on.append(files)
        return digest(*rests_on)

    def sources_of(self, page):
        """Return which of SOURCES a page's code reaches."""
        reached = self.code.reached_by(cells_of(page))
        return {name for name in SOURCES if f'parts.sources.{name}' in reached}


# ------------------------------------------------------- Stored notebooks
def stored(path):
    """Return the executed notebook at path, or None if there is none."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError):
        return None


def key_of(notebook):
    """Return the key under which a notebook was executed."""
    return notebook and notebook.metadata.get('book', {}).get('key')


def set_key(notebook, key):
    """Give a notebook its key, and no other metadata than all have."""
    notebook.metadata = nbformat.from_dict(
        {**book.METADATA, 'book': {'key': key}}
    )


def store(root, page, notebook):
    """Write an executed notebook; d2lbook must find it the newer one."""
    set_key(notebook, key_of(notebook))  # nbclient adds to the metadata
    target = book.executed(root, page)
    text = nbformat.writes(notebook) + '\n'
    if not target.exists() or target.read_text(encoding='utf-8') != text:
        book.write_whole(target, text)
    source = (root / page).stat().st_mtime
    if target.stat().st_mtime <= source:
        newer = max(time.time(), source + 1)
        os.utime(target, (newer, newer))


def graft(page, old):
    """Give a page the outputs of a notebook that ran the same code."""
    pairs = zip(book.code_cells(page), book.code_cells(old), strict=True)
    for new, cell in pairs:
        new.outputs = cell.outputs
        new.execution_count = cell.execution_count


# -------------------------------------------------------------- Execution
class Kernel(AsyncKernelManager):
    """This very Python, whatever kernels Jupyter knows; no open port."""

    transport = 'ipc'

    @property
    def kernel_spec(self):
        argv = [sys.executable, '-m', 'ipykernel_launcher']
        return KernelSpec(
            argv=[*argv, '-f', '{connection_file}'],
            display_name='Python 3',
            language='python',
        )


class Loop(asyncio.SelectorEventLoop):
    """Leaves Ctrl-C to Python, which ends all chapters in good order."""

    def add_signal_handler(self, *arguments):
        raise RuntimeError('nbclient shall handle no signals')

    def remove_signal_handler(self, *arguments):
        raise RuntimeError('nbclient shall handle no signals')


async def execute(page, notebook, scratch, environment, watch=None):
    """Run all cells of a notebook in place. Raises Failure.

    `watch`: a Progress that notes each cell.
    """
    name = book.file_name(page)
    home = scratch / name
    home.mkdir()
    sockets = scratch / f'{name}.json'
    client = NotebookClient(
        notebook,
        km=Kernel(connection_file=str(sockets)),
        timeout=None,  # a cell may train for as long as it takes
        record_timing=False,
        coalesce_streams=True,
    )
    client.owns_km = True  # it ends the kernel
    current = {}

    def begin(cell, cell_index):
        current.update(cell=cell)
        if watch and cell.cell_type == 'code':
            watch.start_cell(page, cell)

    client.on_cell_start = begin
    if watch:
        client.on_cell_executed = lambda **_: watch.end_cell(page)
    try:
        await client.async_execute(
            cwd=str(home), env=environment, stderr=subprocess.DEVNULL
        )
    except CellExecutionError:
        trace = next(
            output.traceback
            for output in current['cell'].outputs
            if output.output_type == 'error'
        )
        text = blemishes.plain('\n'.join(trace))
        raise Failure(f'{where(page, notebook, current)}\n{text}') from None
    except DeadKernelError:
        raise Failure(
            f'{where(page, notebook, current)}: Python died here '
            '(out of memory?)'
        ) from None


def where(page, notebook, current):
    """Name the cell that runs: chapter, number, first line."""
    if 'cell' not in current:
        return f'{page}, before the first cell'
    return blemishes.name_of(page, notebook, current['cell'])


def kernel_environment(root, scratch, threads):
    """Return the variables of a chapter's process."""
    startup = scratch / 'ipython' / 'profile_default' / 'startup'
    startup.mkdir(parents=True, exist_ok=True)
    shutil.copy(book.ROOT / 'build' / 'listen.py', startup)
    environment = dict(os.environ)
    # chapters run in another folder
    for name in ('VOC_ROOT', 'BACKBONE', 'BOOK_DATA'):
        make_absolute(environment, name)
    paths = [str(root), environment.get('PYTHONPATH', '')]
    cache = root / '_build' / 'cache'
    environment |= book.ONE_HEAP | {
        'PYTHONPATH': os.pathsep.join(filter(None, paths)),
        'PYTHONHASHSEED': '0',
        'OMP_NUM_THREADS': str(threads),
        'TQDM_DISABLE': '1',  # no bars on paper
        # Nobody's private settings, and no message about a missing cache.
        'MPLCONFIGDIR': str(cache / 'matplotlib'),
        'IPYTHONDIR': str(scratch / 'ipython'),
        'JUPYTER_CONFIG_DIR': str(scratch / 'jupyter'),
        'PYDEVD_DISABLE_FILE_VALIDATION': '1',
    }
    return environment


def make_absolute(environment, name):
    """Make a variable that names a file or folder hold in any folder."""
    value = whole.place(environment.get(name, ''))
    # What is not there may be a word, such as `download`; but not this one.
    if environment.get(name) and (value.exists() or name == 'BOOK_DATA'):
        environment[name] = str(value.resolve())


# Makes what chapters only want to find, and says how many cores there are.
PREPARE = """
import os
import sys
import utils
import matplotlib.font_manager
for make in sys.argv[1:]:
    getattr(utils, make)()
print(os.environ.get('OMP_NUM_THREADS', '1'))
"""


def prepare(root, scratch, needed):
    """Make caches, and needed SOURCES; return how many cores there are."""
    if not (root / 'utils.py').exists():
        return os.cpu_count()
    environment = kernel_environment(root, scratch, '')
    if 'OMP_NUM_THREADS' in os.environ:
        environment['OMP_NUM_THREADS'] = os.environ['OMP_NUM_THREADS']
    else:
        del environment['OMP_NUM_THREADS']
    command = [sys.executable, '-c', PREPARE, *sorted(needed)]
    done = ending.run(
        command, env=environment, cwd=root, stdout=subprocess.PIPE
    )
    if done.returncode:
        raise Failure('the data set or the backbone could not be made')
    return int(done.stdout.split()[-1])


async def execute_all(root, todo, scratch, cores, watch):
    """Execute the chapters in todo: {page: notebook}; return failures.

    MXNet spreads each operation over all threads it is given, so chapters
    side by side get their share of the cores: on two or four cores one
    chapter runs at a time, with all of them. A GPU has one memory: there,
    too, one after the other. They go in the order of the book: a later one
    may go on with what an earlier one saved.
    """
    alone = cores < 2 * THREADS_A_CHAPTER or shutil.which('nvidia-smi')
    workers = 1 if alone else min(cores // THREADS_A_CHAPTER, len(todo))
    environment = kernel_environment(root, scratch, max(1, cores // workers))
    turn = asyncio.Semaphore(workers)
    known = (Failure, blemishes.Blemish)

    async def one(page, notebook):
        async with turn:
            watch.start(page)
            try:
                await run_one(page, notebook)
            except known as failure:
                if not asyncio.current_task().cancelling():  # by Ctrl-C
                    watch.fail(page, str(failure))
                raise
            watch.end(page)

    async def run_one(page, notebook):
        await execute(page, notebook, scratch, environment, watch)
        if wrong := exercises.wrong_solutions(page, notebook):
            raise Failure('\n'.join(wrong))
        try:
            blemishes.check(page, notebook, [root, scratch, Path.home()])
        except blemishes.Blemish as blemish:
            # A reader's machine may have something to say, such as a GPU
            # that this MXNet cannot use; the book itself may not.
            if os.environ.get('CI'):
                raise
            watch.say(f'please note: {blemish}')
        store(root, page, notebook)

    results = await asyncio.gather(
        *(one(page, notebook) for page, notebook in todo.items()),
        return_exceptions=True,
    )
    for result in results:
        if result is not None and not isinstance(result, known):
            raise result
    return [str(result) for result in results if result]


def only_one(root):
    """Wait until no other build works in this folder."""
    return whole.only_one(root / '_build' / '.lock', 'another build')


def plan(root):
    """Decide what to do; return (to run, already done), {page: notebook}.

    Each notebook knows its key. Those already done have their outputs.
    """
    find, todo, done = Keys(root), {}, {}
    for page in book.pages(root):
        notebook = exercises.read_page(root, page)
        old = stored(book.executed(root, page))
        set_key(notebook, find.of(notebook))
        if key_of(notebook) == key_of(old):
            graft(notebook, old)
            done[page] = notebook
        elif book.code_cells(notebook):
            todo[page] = notebook
        else:
            done[page] = notebook
    return todo, done


def chosen(root, names):
    """Return the pages that names mean, all if there are none."""
    pages = book.pages(root)
    called = {
        page: {page.stem, page.with_suffix('').as_posix()} for page in pages
    }
    known = set().union(*called.values())
    for name in names:
        if name not in known:
            listed = ' '.join(dict.fromkeys(page.stem for page in pages))
            raise Failure(
                f'no such chapter: {ending.plain(name)}; there are: {listed}'
            )
    return {page for page in pages if not names or called[page] & set(names)}


def run(root=book.ROOT, names=(), watch=None):
    """Bring the executed notebooks up to date. Raises Failure.

    `names`: of the chapters that may run, all if empty. `watch`: a Progress
    that notes what happens.
    """
    try:
        save.save(root)
    except save.CannotSave as error:
        raise Failure(str(error)) from None
    pages = chosen(root, names)
    try:
        todo, done = plan(root)
    except exercises.Broken as error:
        raise Failure(str(error)) from None
    for page, notebook in done.items():
        store(root, page, notebook)
    left_out = {p: todo.pop(p) for p in list(todo) if p not in pages}
    planned = stages(root, todo)
    watch = watch or progress.Progress(root)
    watch.plan({p: n for _, s in planned for p, n in s.items()}, left_out)
    if not todo:
        return
    # Not in the book's folder: a name of a socket has 107 letters at most.
    with (
        whole.scratch(Path(tempfile.gettempdir())) as scratch,
        asyncio.Runner(loop_factory=Loop) as runner,
    ):
        scratch.chmod(0o700)  # the kernels' sockets lie there
        failures = []
        for needed, stage in planned:
            watch.making = ' and '.join(SOURCES[name] for name in needed)
            try:
                cores = prepare(root, scratch, needed)
            except Failure as failure:
                failures.append(str(failure))
                break
            finally:
                watch.making = ''
            failures += runner.run(
                execute_all(root, stage, scratch, cores, watch)
            )
    if failures:
        raise Failure('\n\n'.join(failures))


def stages(root, todo):
    """Return [(SOURCES that are needed, pages)], in the order of the book.

    The first are those that can be read soon: they need no backbone.
    """
    find, found = Keys(root), {}
    for page, notebook in todo.items():
        needed = find.sources_of(notebook)
        late = 'backbone_file' in needed
        sources, pages = found.setdefault(late, (set(), {}))
        sources |= needed
        pages[page] = notebook
    return [
        (sorted(sources), pages)
        for _, (sources, pages) in sorted(found.items())
    ]


if __name__ == '__main__':
    ending.in_order()
    with only_one(book.ROOT):
        try:
            run(names=[name.removesuffix('.md') for name in sys.argv[1:]])
        except Failure as failure:
            sys.exit(f'\n{failure}')
