"""The helpers that draw: what they show, and what they refuse."""

from io import BytesIO
from types import SimpleNamespace
from xml.etree import ElementTree

import utils
from parts import pictures, plots
from parts.canvas import render

import numpy
import pytest
from mxnet import np
from PIL import Image


@pytest.fixture
def shown(monkeypatch):
    """Collect (bytes, alternative text, is it a photo) of what is shown."""
    found = []

    def show(fig, alt, photo=False):
        found.append((render(fig, alt, photo), alt, photo))

    monkeypatch.setattr(pictures, 'show', show)
    monkeypatch.setattr(plots, 'show', show)
    return found


def texts(svg):
    """All texts of a drawing."""
    return [''.join(e.itertext()) for e in ElementTree.fromstring(svg).iter()]


def random_image(*shape):
    return numpy.random.RandomState(0).rand(*shape)


@pytest.mark.parametrize(
    'image',
    [
        random_image(20, 30, 3),
        (random_image(20, 30, 3) * 255).astype('uint8'),
        (random_image(20, 30) * 255).astype('int64'),
        random_image(20, 30) > 0.5,
        random_image(20, 30, 1).astype('float32'),
        np.array(random_image(20, 30, 3)),
        np.array(random_image(20, 30)).astype('uint8'),
        Image.new('P', (30, 20)),
        Image.new('RGBA', (30, 20)),
        Image.new('L', (30, 20)),
    ],
)
def test_show_images_takes(shown, image):
    assert utils.show_images([image] * 3, 2, 2, scale=1) is None
    data, alt, photo = shown[0]
    assert photo and alt
    picture = Image.open(BytesIO(data))
    assert picture.format == 'JPEG' and picture.mode == 'RGB'
    assert picture.info['comment'].decode() == alt


def test_show_images_keeps_colours_and_places(shown):
    red, blue = (numpy.zeros((10, 10, 3), 'uint8') for _ in range(2))
    red[:, :, 0] = blue[:, :, 2] = 255
    utils.show_images([red, blue], 1, 2, alt='Red beside blue.')
    picture = numpy.asarray(Image.open(BytesIO(shown[0][0]))).astype(int)
    height, width, _ = picture.shape
    left, right = (picture[height // 2, width * n // 4] for n in (1, 3))
    assert abs(left - (255, 0, 0)).max() < 12
    assert abs(right - (0, 0, 255)).max() < 12
    assert (picture[0, 0] > 250).all()  # on a white card


def test_show_images_is_at_most_1400_wide(shown):
    utils.show_images([random_image(9, 9)] * 8, 1, 8, scale=2)
    assert Image.open(BytesIO(shown[0][0])).width <= 1400


@pytest.mark.parametrize(
    'count, rows, cols', [(0, 1, 1), (5, 2, 2), (2, 1, 1), (1, 0, 3)]
)
def test_show_images_refuses_what_does_not_fit(shown, count, rows, cols):
    with pytest.raises(ValueError, match=f'{count} images do not fit'):
        utils.show_images([random_image(4, 4)] * count, rows, cols)
    assert not shown


@pytest.mark.parametrize(
    'image, message',
    [
        (numpy.zeros((3, 8, 8)), r'not \(3, 8, 8\)'),
        (numpy.zeros(5), r'not \(5,\)'),
        (numpy.full((4, 4), 200.0), 'values from 0 to 1'),
        (numpy.full((4, 4), -1), 'values from 0 to 255'),
        (numpy.full((4, 4), numpy.nan), 'values from 0 to 1'),
        (numpy.zeros((0, 4)), 'empty'),
    ],
)
def test_show_images_refuses_what_is_no_image(shown, image, message):
    with pytest.raises(ValueError, match=message):
        utils.show_images([image], 1, 1)


def painted(picture, color):
    """Where a drawing has a colour: (top, bottom, left, right)."""
    near = abs(picture.astype(int) - color).max(axis=2) < 40
    rows, columns = (numpy.flatnonzero(near.any(axis=n)) for n in (1, 0))
    return rows[0], rows[-1], columns[0], columns[-1]


def test_images_of_all_shapes_stand_in_rows_without_holes(shown):
    red, blue = (200, 0, 0), (0, 0, 200)
    images = []
    for color in (red, blue):
        wide = numpy.full((30, 60, 3), color, 'uint8')
        high = numpy.full((60, 40, 3), color, 'uint8')
        images += [wide, high]
    utils.show_images(images, 2, 2, scale=2)
    drawn = numpy.asarray(Image.open(BytesIO(shown[0][0])))
    height, width, _ = drawn.shape
    for color in (red, blue):
        top, bottom, left, right = painted(drawn, color)
        assert left < 0.03 * width and right > 0.97 * width  # the whole row
        row = drawn[top : bottom + 1, left : right + 1].astype(int)
        white = (row > 200).all(axis=2)
        assert white.mean() < 0.05  # nothing but the gap between two
        gap = numpy.flatnonzero(white.all(axis=0)).mean() / row.shape[1]
        assert abs(gap - 2 / (2 + 2 / 3)) < 0.02  # each keeps its shape
    assert painted(drawn, red)[1] < painted(drawn, blue)[0]


def test_labels_are_drawn_in_the_tables_colours_with_a_legend(shown):
    photo = numpy.full((20, 30, 3), 100, 'uint8')
    label = numpy.full((20, 30), 2)
    label[:, 15:] = 255
    utils.show_images([photo, label], 1, 2, alt='Both.', table=TABLE)
    utils.show_images([photo, photo], 1, 2, alt='Both.', table=TABLE)
    both, plain = (
        numpy.asarray(Image.open(BytesIO(data[0]))).astype(int)
        for data in shown
    )
    height, width = plain.shape[:2]
    assert abs(both[height // 2, width * 5 // 8] - (0, 0, 200)).max() < 12
    assert abs(both[height // 2, width * 7 // 8] - (224, 224, 192)).max() < 12
    assert (both[:height] == plain)[: height // 2, : width // 2].all()
    legend = both[height:]  # of fish and void, and of no ship
    assert painted(legend, (0, 0, 200)) and painted(legend, (224, 224, 192))
    assert not (abs(legend - (200, 0, 0)).max(axis=2) < 40).any()
    palette = Image.fromarray(label.astype('uint8'), mode='P')
    utils.show_images([photo, palette], 1, 2, alt='Both.', table=TABLE)
    assert shown[2][0] == shown[0][0]


def test_a_title_for_each_row(shown):
    utils.show_images(
        [random_image(9, 9)] * 4, 2, 2, ['photo', 'truth'], alt='Two rows.'
    )
    picture = Image.open(BytesIO(shown[0][0])).convert('L')
    drawn = numpy.asarray(picture).astype(int)
    height, width = drawn.shape
    above = drawn[: int(0.3 / 3.7 * height)]
    assert above[:, : width // 2].min() < 100  # on the left,
    assert above[:, width // 2 :].min() > 200  # and nowhere else


def test_heat_goes_from_dark_to_bright():
    values = numpy.array([[-1.0, 0.0, 3.0]])
    colors = utils.heat(np.array(values))
    assert colors.dtype == numpy.uint8 and colors.shape == (1, 3, 3)
    assert (numpy.diff(colors.sum(axis=2)) > 0).all()
    assert (utils.heat(values, limits=(0, 3))[0, 0] == colors[0, 0]).all()
    # The colours' ends are viridis's, as matplotlib lists them.
    assert abs(colors[0, 0] - (68, 1, 84.0)).max() <= 1
    assert abs(colors[0, 2] - (253, 231, 37.0)).max() <= 1
    photo = numpy.full((1, 3, 3), (90, 120, 150), 'uint8')
    mixed = utils.heat(values, photo).astype(float)
    assert abs(mixed - (colors / 2 + 60)).max() <= 1
    assert (utils.heat(numpy.ones((2, 2))) == colors[0, 0]).all()


def test_show_images_refuses_other_titles(shown):
    with pytest.raises(ValueError, match='2 titles for 1 images'):
        utils.show_images([random_image(4, 4)], 1, 1, titles=['a', 'b'])


COLORS = numpy.zeros((256, 3), 'uint8')
COLORS[[1, 2, 255]] = (200, 0, 0), (0, 0, 200), (224, 224, 192)
TABLE = SimpleNamespace(names=['background', 'ship', 'fish'], colormap=COLORS)


def test_overlay_leaves_what_is_black():
    photo = numpy.full((2, 3, 3), 100, 'uint8')
    label = numpy.array([[0, 1, 1], [0, 0, 2]])
    mixed = utils.overlay(photo, label, TABLE, strength=0.25)
    assert mixed.dtype == numpy.uint8
    assert (mixed[label == 0] == 100).all()
    assert (mixed[label == 1] == (125, 75, 75)).all()
    assert (mixed[label == 2] == (75, 75, 125)).all()
    with pytest.raises(ValueError, match=r'\(2, 3, 3\), a label \(3, 2\)'):
        utils.overlay(photo, label.T, TABLE)


def test_show_overlay_names_what_occurs(shown):
    photo = numpy.full((20, 30, 3), 100, 'uint8')
    label = numpy.zeros((20, 30), 'uint8')
    label[:5] = 2
    utils.show_overlay(photo, label, TABLE)
    data, alt, is_photo = shown[0]
    assert is_photo and alt == 'A photo under its label: fish 25.0%.'
    picture = numpy.asarray(Image.open(BytesIO(data))).astype(int)
    top = picture[picture.shape[0] // 20, picture.shape[1] // 2]
    assert abs(top - (40, 40, 160)).max() < 12
    legend = picture[int(len(picture) * 0.94) :]  # a square in its colour
    assert (abs(legend - (0, 0, 200)).max(axis=2) < 40).sum() > 50
    assert (abs(legend - (200, 0, 0)).max(axis=2) < 40).sum() == 0
    utils.show_overlay(photo, label * 0, TABLE)
    assert shown[1][1] == 'A photo under its label: nothing but background.'


def test_save_overlay_writes_all_or_nothing(tmp_path, monkeypatch):
    photo = numpy.full((20, 30, 3), 100, 'uint8')
    path = tmp_path / 'overlay.jpg'
    utils.save_overlay(path, photo, numpy.ones((20, 30), int), TABLE)
    with Image.open(path) as picture:
        assert picture.info['comment'] == (
            b'A photo under its label: ship 100.0%.'
        )
    before = path.read_bytes()
    monkeypatch.setattr(pictures, 'render', lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        utils.save_overlay(path, photo, numpy.ones((20, 30), int), TABLE)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_plot(shown):
    utils.plot(
        range(3),
        {'loss': [3, 2, 1], 'other': ([0, 2], np.array([1, 2]))},
        'epoch',
        'value',
        alt='Two curves & a test.',
    )
    data, _, photo = shown[0]
    assert not photo
    assert {'loss', 'other', 'epoch', 'value'} <= set(texts(data))
    assert 'Two curves & a test.' in texts(data)


def test_there_is_no_epoch_one_and_a_half(shown):
    utils.plot(None, {'loss': [3, 2, 1]}, 'epoch', 'value', alt='A curve.')
    utils.plot([1, 1.5, 2], {'loss': [3, 2, 1]}, 's', 'value', alt='A curve.')
    whole, parts = (
        [word for word in texts(data) if word.replace('.', '').isdigit()]
        for data, _, _ in shown
    )
    assert whole[:3] == ['1', '2', '3']  # the first axis comes first
    assert '1.2' in parts


def test_plot_refuses_another_number_of_values(shown):
    with pytest.raises(ValueError, match="curve 'loss': 2 values at 3"):
        utils.plot(range(3), {'loss': [1, 2]}, 'x', 'y', alt='A curve.')


def test_loss_and_shares_have_an_axis_each():
    picture = plots.training_picture(
        {'training loss': [3.0, 2.0]}, {'mean IU': [0.1, 0.2]}, 'Curves.'
    )
    words = texts(picture.data['image/svg+xml'])
    assert words.count('epoch') == 2
    assert {'loss', 'share, 0 to 1', 'training loss', 'mean IU'} <= set(words)
    alone = plots.training_picture({'training loss': [3, 2]}, {}, 'Curves.')
    words = texts(alone.data['image/svg+xml'])
    assert words.count('epoch') == 1 and 'share, 0 to 1' not in words


def test_plot_bars(shown):
    utils.plot_bars(['cat', 'dog'], [1, 2000], 'pixels', alt='Two bars.')
    assert {'cat', 'dog', '1', '2,000', 'pixels'} <= set(texts(shown[0][0]))
    utils.plot_bars('abc', [1.3684, 18.049, 99.73], 'times', alt='Bars.')
    assert {'1.37', '18', '99.7'} <= set(texts(shown[1][0]))
    with pytest.raises(ValueError, match='1 values for 2 names'):
        utils.plot_bars(['cat', 'dog'], [1], 'pixels', alt='Bars.')


def test_show_points_puts_them_where_rows_and_columns_say(monkeypatch):
    found = []
    monkeypatch.setattr(pictures, 'show', lambda fig, alt: found.append(fig))
    images = [random_image(6, 9), random_image(6, 9)]
    points = [numpy.array([[1, 7.5], [5, 0]]), np.array([[-2, 4.0]])]
    utils.show_points(images, points, ['inside', 'above'], alt='Some points.')
    (fig,) = found
    for axes, spots, title in zip(
        fig.axes, points, ('inside', 'above'), strict=True
    ):
        (line,) = axes.lines
        drawn = numpy.stack(line.get_data()[::-1], axis=1)
        numpy.testing.assert_array_equal(drawn, utils.host(spots))
        assert axes.get_title() == title
        assert axes.get_ylim()[1] < -2  # nothing is cut off, all are alike
        assert axes.get_xlim() == fig.axes[0].get_xlim()


def test_show_points_refuses():
    image = random_image(6, 9)
    with pytest.raises(ValueError, match=r'\(K, 2\), not \(9, 1\)'):
        utils.show_points([image], [numpy.zeros((9, 1))], ['a'], alt='None.')
    with pytest.raises(ValueError, match='1 images, 2 lists of places, 1'):
        utils.show_points([image], [[], []], ['a'], alt='None.')


def test_show_matrix_writes_the_numbers(shown):
    utils.show_matrix(
        [np.array([[1.5, -2]]), numpy.array([[0, 1 / 3]])],
        alt='Two matrices.',
        titles=['A', 'B'],
    )
    minus = '\N{MINUS SIGN}2'
    assert {'1.5', minus, '0', '0.333', 'A', 'B'} <= set(texts(shown[0][0]))
    utils.show_matrix(numpy.array([[0.5625]]), alt='One.', digits=4)
    assert '0.5625' in texts(shown[1][0])
    utils.show_matrix(numpy.array([[7]]), alt='Plain.', digits=0)
    assert '7' not in texts(shown[2][0])


def test_show_matrix_refuses(shown):
    with pytest.raises(ValueError, match='a matrix has two axes'):
        utils.show_matrix(numpy.zeros((1, 1, 3)), alt='No matrix.')
    with pytest.raises(ValueError, match='1 titles for 2 matrices'):
        utils.show_matrix([numpy.eye(2)] * 2, alt='Two.', titles=['one'])
