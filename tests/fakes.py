"""Programs that tests put in place of real ones."""


def script(path, text):
    """Write a shell script that can be called; return its path."""
    path.write_text(f'#!/bin/sh\n{text}')
    path.chmod(0o755)
    return path
