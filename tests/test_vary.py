"""The controls of the notebooks: move one, and look at the picture."""

import subprocess
import sys

import utils

import numpy as onp
import pytest


def draw(kernel, stride, flipped=False, how='plain'):
    """Draw two matrices, print a line; one setting is refused."""
    if stride > kernel:
        raise ValueError('the stamps\nleave gaps & holes')
    utils.show_matrix(onp.full((kernel, stride), 7), f'a <matrix> of {kernel}')
    utils.show_images([onp.zeros((8, 16))], 1, 1, alt='a photo')
    print(how, '<', flipped)


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


def test_afterwards_pictures_are_shown_as_ever(box):
    assert utils._stage is None


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
