"""Work out the exact packages of every environment anew: needs uv.

Usage: python build/pins.py [--upgrade, or another option of uv pip compile]

Each requirements/NAME.in, which says what was chosen and why, becomes
NAME.txt: every package with version and hashes, for every Python that the
book works with; where two need different versions, a marker says which. What
is pinned already stays unless an option says otherwise. Installs nothing.
"""

import ending

if __name__ == '__main__':
    ending.at_once()

import shutil
import subprocess
import sys
from pathlib import Path

from environment import PINNED, ROOT

OPTIONS = [
    *('--python-version', '3.11'),
    '--generate-hashes',
    # No trace of the machine and its package index.
    *('--no-emit-index-url', '--no-emit-find-links'),
    *('--custom-compile-command', 'make pins'),
    *('--override', 'requirements/overrides.txt'),
]
EVERY_PYTHON = [  # from 3.11 on, with as few versions of a package as may be
    *('--universal', '--fork-strategy', 'fewest'),
]
# PyTorch has its build for CPUs in files of one Python and one machine each.
ONE_PYTHON = ['--python-platform', 'x86_64-manylinux_2_28']


def main(*options):
    uv = shutil.which('uv')
    if not uv:
        sys.exit('make pins needs uv: pip install uv, in any environment')
    for name in PINNED:
        files = [Path('requirements', name + end) for end in ('.in', '.txt')]
        which = ONE_PYTHON if name == 'bench' else EVERY_PYTHON
        command = [uv, 'pip', 'compile', '--quiet', *OPTIONS, *which]
        subprocess.run(
            [*command, *options, str(files[0]), '-o', str(files[1])],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )


if __name__ == '__main__':
    ending.in_order()
    main(*sys.argv[1:])
