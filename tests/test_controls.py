"""The controls of the notebooks: move one, and look at the picture."""

import subprocess
import sys
import threading

import utils

import numpy as onp
import pytest
from mxnet import np
from mxnet.gluon import nn


def draw(kernel, stride, flipped=False, how='plain'):
    """Draw two pictures, return a line; one setting is refused."""
    if stride > kernel:
        raise ValueError('the stamps\nleave gaps & holes')
    utils.show_matrix(onp.full((kernel, stride), 7), f'a <matrix> of {kernel}')
    utils.show_images([onp.zeros((8, 16))], 1, 1, alt='a photo')
    return f'{how} < {flipped}'


@pytest.fixture
def box():
    return utils.vary(
        draw,
        kernel=(1, 7, 4),
        stride=(1, 4),
        flipped=False,
        how=['plain', 'fancy'],
    )


def test_each_parameter_has_a_control_with_its_name(box):
    *controls, _ = box.children
    assert [c.description for c in controls] == [
        *('kernel', 'stride', 'flipped', 'how')
    ]
    assert [c.value for c in controls] == [4, 1, False, 'plain']
    assert (controls[0].min, controls[0].max) == (1, 7)


def test_the_new_picture_replaces_the_old_one(box):
    kernel, _, flipped, how, picture = box.children
    first = picture.value
    assert first.count('<img') == 2
    assert 'alt="a &lt;matrix&gt; of 4"' in first and 'alt="a photo"' in first
    assert 'data:image/svg+xml;base64' in first
    assert 'data:image/jpeg;base64' in first
    assert '<pre>plain &lt; False' in first
    kernel.value = 5
    assert 'of 5"' in picture.value and 'of 4"' not in picture.value
    assert picture.value.count('<img') == 2
    kernel.value = 4
    assert picture.value == first
    flipped.value, how.value = True, 'fancy'
    assert '<pre>fancy &lt; True' in picture.value


def test_an_error_is_one_line(box):
    kernel, stride, *_, picture = box.children
    kernel.value, stride.value = 2, 3
    assert picture.value == (
        '<p role="alert">ValueError: the stamps leave gaps &amp; holes</p>'
    )
    kernel.value = 3
    assert '<img' in picture.value and 'alert' not in picture.value


def test_the_place_of_the_picture_is_known_before_it_is_loaded(box):
    assert box.children[-1].value.count('aspect-ratio: ') == 2


def in_another_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_control_may_be_moved_in_another_thread():
    """As JupyterLab does. MXNet's NumPy ways hold in one thread only."""

    def enlarged(k):
        layer = nn.Conv2DTranspose(1, k)
        layer.initialize()
        utils.show_matrix(layer(np.ones((1, 1, 2, 2)))[0, 0], f'k = {k}')

    control, picture = utils.vary(enlarged, k=(1, 4)).children
    in_another_thread(lambda: setattr(control, 'value', 3))
    assert 'alt="k = 3"' in picture.value


def test_what_a_cell_shows_meanwhile_is_not_taken():
    def draw(n):
        in_another_thread(lambda: utils.plot(None, {'m': [n]}, '', '', 'it'))

    assert utils.vary(draw, n=(1, 2)).children[-1].value == ''


def test_a_failing_control_ends_in_no_one_elses_picture():
    def nested(n):
        utils.vary(
            lambda m: utils.plot(None, {'m': [m]}, '', '', 'in'), m=(1, 2)
        )
        utils.plot(None, {'n': [n]}, '', '', 'out')

    picture = utils.vary(nested, n=(1, 2)).children[-1]
    assert 'alt="out"' in picture.value and 'alt="in"' not in picture.value


def test_utils_itself_needs_no_ipywidgets():
    code = 'import sys, utils; assert "ipywidgets.widgets" not in sys.modules'
    done = subprocess.run([sys.executable, '-c', code])
    assert done.returncode == 0
