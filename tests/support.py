"""What tests of several topics do: fake a program, wait for something."""

import time


def script(path, text):
    """Write a shell script that can be called; return its path."""
    path.write_text(f'#!/bin/sh\n{text}')
    path.chmod(0o755)
    return path


def wait_for(condition, limit=120):
    """Wait until a function returns something true, and return that."""
    end = time.monotonic() + limit  # seconds
    while not (found := condition()):
        assert time.monotonic() < end, f'{limit} seconds in vain'
        time.sleep(0.05)
    return found
