"""What all tests share: where things are, and what CI may skip."""

import importlib.metadata
import os
import shutil
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'build')]

import ending
import utils  # before MXNet: it sets the number of threads
from support import label_file, photo_file, save_label

import numpy as np
from PIL import Image

ending.in_order()  # if `make test` began this process

# Reasons for which a test may be skipped where CI=true is set: what they
# name is no part of the repository or of the machine. All others fail there.
ALLOWED = (
    'the excerpt of real photos is not here',
    'PyTorch is not here',
    'no C compiler is here',
    'one core: nothing to lose',
    'gluoncv exists for MXNet 1 only',
    # These two are said of single cases to which a statement does not apply.
    'then the gather view must cut, or add zeros',
    'the kernel is as large as the input',
)
ON_OTHER = Path(sys.prefix).name == '.venv-other'
ON_MXNET2 = importlib.metadata.version('mxnet').startswith('2.')

# MXNet 2's environment has what the chapters' code needs, not what builds
# the book: these tests need a package that is not there. With a second Python,
# too, the code is tested, and not the book.
NEEDS = {
    'test_atrous_explorer.py': 'playwright',
    'test_bench.py': 'd2lbook',
    'test_claims.py': 'd2lbook',
    'test_class.py': 'd2lbook',
    'test_code_style.py': 'ruff',
    'test_container.py': 'jupyter_server',
    'test_controls.py': 'ipywidgets',
    'test_exercises.py': 'd2lbook',
    'test_explorer.py': 'playwright',
    'test_export.py': 'onnxruntime',
    'test_hosted.py': 'd2lbook',
    'test_hostile_pages.py': 'sphinx',
    'test_lab.py': 'jupyterlab',
    'test_pages.py': 'playwright',
    'test_points_widget.py': 'playwright',
    'test_progress.py': 'd2lbook',
    'test_reach.py': 'd2lbook',
    'test_rooms.py': 'd2lbook',
    'test_runner.py': 'd2lbook',
    'test_timing.py': 'd2lbook',
    'test_try.py': 'playwright',
    'test_weights_mat.py': 'scipy',
    'test_widgets.py': 'playwright',
}
collect_ignore = [] if ON_OTHER else ['test_other_python.py']
if ON_MXNET2 or ON_OTHER:
    collect_ignore += [
        x for x in NEEDS if ON_OTHER or find_spec(NEEDS[x]) is None
    ]
    # And these would do the same again, without MXNet.
    same = 'audit copies ending environment make whole'
    collect_ignore += [f'test_{name}.py' for name in same.split()]


def pytest_collection_modifyitems(items):
    if ON_MXNET2:
        for item in items:
            whole_file = item.path.name == 'test_gluoncv_beside.py'
            if whole_file or 'gluoncv' in item.name:
                reason = 'gluoncv exists for MXNet 1 only'
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope='session')
def root():
    """The folder of the repository."""
    return ROOT


@pytest.fixture
def interruptible():
    """Programs obey Ctrl-C, though tests in the background may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def few(tmp_path):
    """Six images of the built-in set, in a folder of that layout."""
    root, few = utils.voc_root(), tmp_path / 'few images'
    for split in ('train', 'val'):
        names = utils.read_split(root, split)[:6]
        path = few / f'ImageSets/Segmentation/{split}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(names), encoding='utf-8')
        for part in ('JPEGImages', 'SegmentationClass'):
            (few / part).mkdir(exist_ok=True)
            for name in names:
                (path,) = (root / part).glob(f'{name}.*')
                shutil.copy(path, few / part)
    return few


@pytest.fixture
def voc(tmp_path):
    """A data set of three images in the VOC layout, one of them small."""
    rng = np.random.default_rng(0)
    split = tmp_path / 'ImageSets' / 'Segmentation'
    for folder in (
        split,
        tmp_path / 'JPEGImages',
        tmp_path / 'SegmentationClass',
    ):
        folder.mkdir(parents=True)
    for name, (height, width) in {
        'wide': (60, 90),
        'tall': (90, 60),
        'tiny': (20, 30),
    }.items():
        photo = rng.integers(0, 256, (height, width, 3), dtype='uint8')
        label = rng.choice([0, 1, 20, 255], (height, width)).astype('uint8')
        Image.fromarray(photo).save(photo_file(tmp_path, name))
        save_label(label_file(tmp_path, name), label)
    (split / 'train.txt').write_text('wide\ntall\ntiny\n', encoding='utf-8')
    (split / 'val.txt').write_text('wide\n', encoding='utf-8')
    return tmp_path


class NoSilentSkips:
    """Fails a run in CI that skipped what should run there."""

    def __init__(self):
        self.reasons = []

    def note(self, report):
        if report.skipped and not hasattr(report, 'wasxfail'):
            reason = str(report.longrepr[2])
            if not any(allowed in reason for allowed in ALLOWED):
                self.reasons.append(f'{report.nodeid}: {reason}')

    pytest_runtest_logreport = note
    pytest_collectreport = note

    def pytest_sessionfinish(self, session):
        if self.reasons and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        for reason in self.reasons:
            terminalreporter.write_line(f'not to be skipped in CI: {reason}')


def pytest_configure(config):
    if os.environ.get('CI'):
        config.pluginmanager.register(NoSilentSkips())
