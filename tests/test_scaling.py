"""Photos and labels at another size."""

from parts.scaling import scale_label, scale_photo, scaled_size

import numpy as onp
import pytest
from hypothesis import given
from hypothesis import strategies as st

SIDES = st.integers(1, 60)


@given(SIDES, SIDES, st.integers(0, 80))
def test_no_side_is_longer_and_proportions_stay(height, width, most):
    new = scaled_size((height, width), most)
    if not most or max(height, width) <= most:
        assert new == (height, width)
        return
    assert max(new) == most
    scale = most / max(height, width)
    assert abs(new[0] - scale * height) <= 0.5 or new[0] == 1
    assert abs(new[1] - scale * width) <= 0.5 or new[1] == 1


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_label_takes_the_nearest_pixel(height, width, rows, columns):
    """That whose centre lies nearest; of two, either."""
    label = onp.arange(height * width).reshape(height, width)
    found = scale_label(label, (rows, columns))
    assert found.shape == (rows, columns) and found.dtype == label.dtype
    for i in range(rows):
        for j in range(columns):
            y, x = divmod(int(found[i, j]), width)
            for at, old, new, place in (
                (y, height, rows, i),
                (x, width, columns, j),
            ):
                centre = (place + 0.5) * old / new - 0.5
                assert abs(at - centre) <= 0.5 + 1e-9


def test_a_photo_keeps_its_mean_and_loses_its_pattern():
    """A checkerboard of pixels becomes grey: nothing is skipped."""
    photo = onp.zeros((64, 96, 3), 'uint8')
    photo[::2, ::2] = photo[1::2, 1::2] = 255
    small = scale_photo(photo, (16, 24))
    assert small.shape == (16, 24, 3) and small.dtype == onp.uint8
    assert abs(small.astype(int) - 128).max() <= 20
    assert scale_photo(photo, (64, 96)) is photo


@pytest.mark.parametrize('most', [-1, 2.5, '9', None])
def test_what_is_no_number_of_pixels_is_refused(most):
    with pytest.raises(ValueError, match='max_side='):
        scaled_size((3, 4), most)
