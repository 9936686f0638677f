"""JupyterLab as `make lab` starts it: a real server, real kernels."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import book
import browser
import lab
import run_chapters
from support import wait_for

import nbformat
import pytest
import requests
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from traitlets.config.loader import PyFileConfigLoader

INDEX = '# Tiny\n\n```toc\n:numbered:\n\nchapters/one\n```\n'
ONE = """# One

![A triangle.](../img/x.svg)

```{.python .input}

print('ready')
```
"""
TOKEN = {'token': 'secret'}


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    """A book of one chapter, its lab's notebooks, and a home for Jupyter."""
    folder = tmp_path_factory.mktemp('lab') / 'a tiny book'
    for name, text in {
        'config.ini': '[build]\nnotebooks = *.md\n',
        'index.md': INDEX,
        'chapters/one.md': ONE,
        'utils.py': '',
        'img/x.svg': '<svg/>',
    }.items():
        book.write_whole(folder / name, text)
    lab.copy_notebooks(folder)
    lab.register_kernel(folder, folder / '.venv')
    return folder


def kernels_of(prefix):
    """Return what Jupyter finds in an environment."""
    folder = prefix / 'share' / 'jupyter' / 'kernels'
    return KernelSpecManager(kernel_dirs=[str(folder)])


# ----------------------------------------------------------------- Notebooks
@pytest.mark.parametrize('page', book.chapters(book.ROOT), ids=str)
def test_a_copy_runs_the_code_of_its_chapter(root, page):
    """That it runs from a fresh kernel, `make html` sees to."""
    copy = lab.notebook_of(root, page, {})
    assert lab.meanings(copy) == lab.meanings(book.read_page(root / page))


def test_copies_ask_for_the_books_kernel(tiny):
    copy = json.loads((tiny / 'notebooks' / 'one.ipynb').read_text('utf-8'))
    assert copy['metadata']['kernelspec']['name'] == lab.KERNEL
    assert kernels_of(tiny / '.venv').get_kernel_spec(lab.KERNEL)


# ------------------------------------------------------------------- Kernels
def test_the_kernel_bears_the_environments_name(tmp_path, monkeypatch):
    """And nothing is left in the home."""
    home = tmp_path / 'home'
    home.mkdir()
    monkeypatch.setenv('HOME', str(home))
    for name in ('.venv', '.venv-gpu', '.venv-gpu'):
        lab.register_kernel(tmp_path, tmp_path / name)
        spec = kernels_of(tmp_path / name).get_kernel_spec(lab.KERNEL)
        assert spec.display_name == f'Segmentation ({name})'
    assert not list(home.iterdir())
    # Where Jupyter itself looks, in the environment that runs it.
    assert lab.register_kernel.__defaults__ == (sys.prefix,)


def run_all(notebook, manager, folder, environment):
    """Run all cells in a new process; return the text that they print."""
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=None,
        coalesce_streams=True,  # a busy machine sends a line in pieces
    )
    client.owns_km = True  # it ends the kernel
    client.execute(cwd=str(folder), env=environment)
    return [
        output.text
        for cell in book.code_cells(notebook)
        for output in cell.outputs
        if output.output_type == 'stream'
    ]


def test_a_chapter_runs_and_runs_again_anywhere(root, few, tmp_path):
    """In a folder that knows nothing of the book, each time the same."""
    prefix, elsewhere = tmp_path / 'prefix', tmp_path / 'else where'
    elsewhere.mkdir()
    lab.register_kernel(root, prefix)
    page = Path('chapters/data.md')
    environment = dict(os.environ) | {'VOC_ROOT': str(few)}
    environment.pop('PYTHONPATH', None)
    printed = []
    for _ in range(2):
        notebook = lab.notebook_of(root, page, {})
        manager = KernelManager(
            kernel_name=lab.KERNEL, kernel_spec_manager=kernels_of(prefix)
        )
        printed.append(run_all(notebook, manager, elsewhere, environment))
    assert printed[0] == printed[1]
    assert any('train: 6 images' in text for text in printed[0])
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize('where', ['the lab', 'the build'])
def test_a_kernel_uses_the_memory_of_large_arrays_again(root, tmp_path, where):
    """Once warm, a copy of 120 MB takes hardly a page from the system.

    All of its 29,000 pages would be new if MXNet's threads had other heaps.
    """
    environment = dict(os.environ)
    if where == 'the lab':
        lab.register_kernel(root, tmp_path / 'prefix')
        manager = KernelManager(
            kernel_name=lab.KERNEL,
            kernel_spec_manager=kernels_of(tmp_path / 'prefix'),
        )
    else:
        manager = KernelManager()
        environment = run_chapters.kernel_environment(root, tmp_path, 2)
    cell = """
import resource
import utils
from mxnet import np
large = np.ones((30_000_000,))
faults = []
for _ in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    large.copy().wait_to_read()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults))
"""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell)]
    )
    (printed,) = run_all(notebook, manager, tmp_path, environment)
    assert int(printed) < 1000


@pytest.mark.parametrize(
    'name, value, known',
    [
        ('VOC_ROOT', 'download', False),
        ('VOC_ROOT', 'photos', True),
        ('BACKBONE', 'imagenet', False),
        ('BOOK_DATA', 'to be made', True),
    ],
)
def test_folders_hold_wherever_a_notebook_is(
    tmp_path, monkeypatch, name, value, known
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    environment = {name: value}
    run_chapters.make_absolute(environment, name)
    assert environment[name] == (str(tmp_path / value) if known else value)


# ---------------------------------------------------------------- The server
def test_what_is_typed_comes_after_the_books_own_settings(monkeypatch):
    given = []
    monkeypatch.setattr(lab, 'copy_notebooks', lambda root: [])
    monkeypatch.setattr(lab, 'register_kernel', lambda root: None)
    monkeypatch.setattr(lab.LabApp, 'launch_instance', given.append)
    monkeypatch.setenv('PYTHONPATH', 'elsewhere')
    lab.main('--no-browser', '--port=1')
    expected = [*lab.settings(book.ROOT), '--no-browser', '--port=1']
    assert given == [expected]
    assert os.environ['PYTHONPATH'] == f'{book.ROOT}:elsewhere'


@pytest.fixture(scope='module')
def server(tiny):
    """The address of JupyterLab, started as `make lab` starts it."""
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, '-m', 'jupyterlab', *lab.settings(tiny)]
        + [f'--port={port}', '--no-browser'],
        env={
            **os.environ,
            'JUPYTER_TOKEN': TOKEN['token'],
            'JUPYTER_PATH': str(tiny / '.venv' / 'share' / 'jupyter'),
            'HOME': str(tiny.parent),
        },
        stderr=subprocess.DEVNULL,
    )
    address = f'http://localhost:{port}'
    try:
        wait_for(lambda: answers(f'{address}/api'))
        yield address
    finally:
        process.terminate()
        process.wait(30)


def answers(address):
    try:
        return requests.get(address)
    except requests.ConnectionError:
        return None


def ask(server, path):
    return requests.get(server + path, TOKEN)


def test_it_serves_pictures_and_asks_for_a_token(server):
    contents = requests.get(f'{server}/api/contents/notebooks')
    assert contents.status_code == 403
    assert ask(server, '/files/img/x.svg').text == '<svg/>'


def test_the_page_goes_without_news_and_nbgrader(server):
    page = ask(server, '/lab/tree/notebooks/one.ipynb').text
    assert '"news": {"disabled": true}' in page
    assert '"disabledExtensions": ["@jupyter/nbgrader", ' in page


def test_it_knows_the_kernel(server):
    specs = ask(server, '/api/kernelspecs').json()['kernelspecs']
    assert specs[lab.KERNEL]['spec']['display_name'] == 'Segmentation (.venv)'


def test_a_forgotten_kernel_ends_but_no_other():
    settings = PyFileConfigLoader(str(lab.SETTINGS)).load_config()
    assert settings.MappingKernelManager == {'cull_idle_timeout': 86400}


def test_a_kernel_ends_with_its_tab(server):
    """In a browser: open the notebook, wait for its kernel, close it."""

    def kernels():
        return ask(server, '/api/kernels').json()

    with browser.open_browser() as chromium:
        page = chromium.new_page()
        page.set_default_timeout(120_000)
        page.goto(f'{server}/lab/tree/notebooks/one.ipynb?token=secret')
        wait_for(lambda: kernels() and kernels()[0]['connections'])
        assert [kernel['name'] for kernel in kernels()] == [lab.KERNEL]
        page.locator('.jp-mod-current .lm-TabBar-tabCloseIcon').click()
        # Jupyter adds the version of Python, and may ask whether to save it.
        discard = page.get_by_role('button', name='Discard')

        def ended():
            if discard.is_visible():
                discard.click()
            return not kernels()

        wait_for(ended)
