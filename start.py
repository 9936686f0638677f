"""Make a hosted notebook ready for the book: on Colab, Kaggle, a JupyterHub.

In the first cell of a notebook:

    %run start.py

It takes the book that lies beside this file or around it, or else fetches it
from BOOK_URL, and installs what this Python lacks into a folder of its own:
nothing that is there is changed. Then `import utils` works in this notebook.
The next time, and in the next notebook, that takes seconds.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

# Where the book is published: a zip file, or a git repository. What the
# environment variable of this name says counts for more.
BOOK_URL = ''
HERE = Path(__file__).resolve().parent
# What the notebooks import besides MXNet. Python has had no distutils, which
# MXNet imports, since 3.12; setuptools brings one.
NEEDS = (
    *('numpy', 'matplotlib', 'pillow', 'requests', 'tqdm', 'ipywidgets'),
    *('setuptools', 'gluoncv', 'onnx', 'onnxruntime'),
)


class CannotStart(Exception):
    """What stands in the way, in one line; a notebook shows nothing else."""

    def _render_traceback_(self):  # IPython asks for it
        return [f'start.py: {self}']


def refuse_machine():
    """Raise CannotStart where no package could help."""
    if sys.version_info < (3, 11):  # noqa: UP036  whoever starts it
        raise CannotStart(
            'the book needs Python 3.11 or newer, and this is '
            + platform.python_version()
        )
    here = f'{platform.system()} on {platform.machine()}'
    if platform.libc_ver()[0] != 'glibc':
        here += ' without glibc'
    if here != 'Linux on x86_64':
        raise CannotStart(
            "MXNet's packages are for Linux on x86_64 with glibc, and this "
            f'is {here}'
        )


# ------------------------------------------------------------------ The book
def find_book():
    """Return the book's folder, fetching it if it is nowhere here."""
    fetched = Path.cwd() / 'segmentation'
    for folder in (HERE, HERE.parent, fetched):  # a copy lies in notebooks/
        if (folder / 'segbook.py').is_file():
            print(f'The book is here: {folder}')
            return folder
    url = os.environ.get('BOOK_URL') or BOOK_URL
    if not url:
        raise CannotStart(
            'the book is not here. Run the start.py of its folder, or say '
            'where the book is published: %env BOOK_URL=https://...'
        )
    print(f'Fetching the book from {url} into {fetched}', flush=True)
    with tempfile.TemporaryDirectory(dir=fetched.parent) as scratch:
        (fetch_zip if url.endswith('.zip') else clone)(url, f'{scratch}/book')
        found = sorted(Path(scratch).glob('**/segbook.py'))
        if not found:
            raise CannotStart(f'{url} holds no book')
        os.rename(found[0].parent, fetched)
    return fetched


def fetch_zip(url, folder):
    """Unpack a zip file, which a URL or a path names, into a new folder."""
    if '://' not in url:
        url = Path(url).expanduser().absolute().as_uri()
    try:
        with tempfile.TemporaryFile() as file:
            with urllib.request.urlopen(url, timeout=60) as answer:
                while block := answer.read(1 << 20):
                    file.write(block)
            zipfile.ZipFile(file).extractall(folder)
    except urllib.error.URLError as error:
        raise CannotStart(f'{url} cannot be had: {error.reason}') from None
    except zipfile.BadZipFile:
        raise CannotStart(f'{url} is no zip file') from None


def clone(url, folder):
    """Fetch a git repository, without its history."""
    done = subprocess.run(
        ['git', 'clone', '--quiet', '--depth=1', '--', url, folder],
        env={**os.environ, 'GIT_TERMINAL_PROMPT': '0'},  # nobody could answer
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CannotStart(f'{url} cannot be had: {last_line(done.stderr)}')


# -------------------------------------------------------------- The packages
def is_here(package):
    """Whether this Python has a package, of any version."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def choose_build(doctor):
    """Return which of MXNet's builds runs here, 'gpu' or 'cpu', and why."""
    gpus, trouble = doctor.ask_driver()
    judged = [doctor.judge(gpu) for gpu in doctor.visible(gpus)]
    why = trouble or '; '.join(text for _, text in judged) or 'GPUs are hidden'
    if True not in (runs for runs, _ in judged):
        return 'cpu', why
    if not doctor.has_libcuda():
        return 'cpu', f"{why}, but its driver's libcuda.so.1 is not found"
    return 'gpu', why


def missing(pins, here, has_mxnet):
    """Return {package: its lines in a file of pins} of what is to be had.

    MXNet comes with all of its CUDA libraries, for those of another version
    may be here. What is missing brings along what it needs itself and is not
    here: the comments of the file say who asks for what.
    """
    blocks, asked_by = {}, {}
    for block in re.findall(r'^\w.*\n(?:[ \t].*\n)*', pins, re.MULTILINE):
        name = re.match(r'[\w.-]+', block)[0]
        comments = ' '.join(re.findall('#(.*)', block))
        # A package has several blocks if its version depends on Python's.
        blocks[name] = blocks.get(name, '') + block
        asked_by.setdefault(name, set()).update(comments.split())
    wanted = [name for name in NEEDS if not here(name)]
    if not has_mxnet:
        wanted += [x for x in blocks if x.startswith(('mxnet', 'nvidia-'))]
    for name in wanted:  # which grows meanwhile
        wanted += [
            other
            for other in blocks
            if name in asked_by[other]
            and other not in wanted
            and not here(other)
        ]
    return {name: blocks[name] for name in wanted}


def install(blocks, folder):
    """Install pinned packages into a folder, all or nothing, once."""
    from parts import whole

    lock = folder.with_name(f'.{folder.name}.lock')
    with whole.only_one(lock, 'another start.py'):
        if folder.is_dir():
            print(f'Installed before: {", ".join(blocks)}, in {folder}')
            return
        large = ' (2 GB, some minutes)' if 'mxnet-cu112' in blocks else ''
        print(f'Installing {", ".join(blocks)} into {folder}{large}')
        sys.stdout.flush()
        with whole.new(folder) as part:
            part.mkdir()
            pins = part.with_name('pins.txt')
            pins.write_text(''.join(blocks.values()), encoding='utf-8')
            done = subprocess.run(
                [sys.executable, '-m', 'pip', 'install', '--target', part]
                + ['--no-deps', '--require-hashes', '--only-binary=:all:']
                + ['--quiet', '--no-input', '--disable-pip-version-check']
                + ['-r', pins],
                env={**os.environ, 'PIP_USER': '0'},  # or --target is refused
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise CannotStart(why_not(done.stderr))


def why_not(said):
    """Return in one line why pip failed, from what it said."""
    if 'connection broken' in said:
        return (
            'pip reaches no package index; on Kaggle, switch on «Internet» '
            'in the settings of the notebook'
        )
    errors = re.findall('^ERROR: (.*)', said, re.MULTILINE)
    return f'pip cannot install: {[*errors, last_line(said)][0]}'


def last_line(text):
    return (text.strip().splitlines() or ['without a word'])[-1]


def main():
    """Do what the docstring of this file says, and print a line for each."""
    refuse_machine()
    book = find_book()
    # In any case: %run takes the first mention of its own folder away.
    sys.path.insert(0, str(book))
    spec = importlib.util.spec_from_file_location(
        'doctor', book / 'build' / 'doctor.py'
    )
    doctor = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(doctor)
    build, why = choose_build(doctor)
    print(f'MXNet runs on the {build.upper()}: {why}')
    pins = (book / 'requirements' / f'{build}.txt').read_text('utf-8')
    has_mxnet = importlib.util.find_spec('mxnet') is not None
    blocks = missing(pins, is_here, has_mxnet)
    paths = [str(book)]
    cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    if blocks:
        of = f'{sys.version_info[:2]} {"".join(blocks.values())}'
        name = f'{build}-{hashlib.sha256(of.encode()).hexdigest()[:10]}'
        paths.append(str(cache / 'segmentation' / name))
        install(blocks, Path(paths[1]))
        sys.path.insert(1, paths[1])
        importlib.invalidate_caches()
    else:
        print('All packages are here')
    # The programs that draw the data and train the backbone need them, too.
    old = os.environ.get('PYTHONPATH', '').split(os.pathsep)
    paths += [path for path in old if path and path not in paths]
    os.environ['PYTHONPATH'] = os.pathsep.join(paths)
    if not os.access(book, os.W_OK):
        os.environ.setdefault('BOOK_DATA', str(cache / 'segmentation/data'))
    try:
        import utils
    except (ImportError, OSError) as error:
        advice = '; in a cell, !apt-get install libgomp1 libquadmath0'
        advice *= bool(re.search('lib(gomp|quadmath)', str(error)))
        raise CannotStart(f'MXNet does not start: {error}{advice}') from None
    used = [f'{x} {sys.modules[x].__version__}' for x in ('mxnet', 'numpy')]
    print(f'Ready: {", ".join(used)}, {utils.try_gpu()}')


if __name__ == '__main__':
    main()
