"""Work out the exact packages of every environment anew: needs uv.

Usage: python build/pins.py [--upgrade, or another option of uv pip compile]

Each requirements/NAME.in, which says what was chosen and why, becomes
NAME.txt: every package with version and hashes. What is pinned already stays
unless an option says otherwise. Installs nothing.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import shutil
import subprocess
import sys
from pathlib import Path

from environment import FOLDERS, ROOT

OPTIONS = [
    *('--python-version', '3.11'),
    *('--python-platform', 'x86_64-manylinux_2_28'),
    '--generate-hashes',
    # No trace of the machine and its package index.
    *('--no-emit-index-url', '--no-emit-find-links'),
    *('--custom-compile-command', 'make pins'),
    *('--override', 'requirements/overrides.txt'),
]


def main(*options):
    uv = shutil.which('uv')
    if not uv:
        sys.exit('make pins needs uv: pip install uv, in any environment')
    for name in FOLDERS:
        files = [Path('requirements', name + end) for end in ('.in', '.txt')]
        command = [uv, 'pip', 'compile', '--quiet', *OPTIONS, *options]
        subprocess.run(
            [*command, str(files[0]), '-o', str(files[1])],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )


if __name__ == '__main__':
    ending.in_order()
    main(*sys.argv[1:])
