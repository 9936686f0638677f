"""COCO's JSON: outlines, masks as run lengths, and what is wrong with them."""

import json

import segbook
from parts import coco
from test_labelme import distance_to, inside

import numpy as onp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

HEIGHT, WIDTH = 30, 40
TABLE = segbook.ClassTable(['background', 'ship', 'fish'])
CATEGORIES = [{'id': 7, 'name': 'fish'}, {'id': 3, 'name': 'ship'}]
IMAGES = [
    {'id': 11, 'file_name': 'a.jpg', 'height': HEIGHT, 'width': WIDTH},
    {'id': 5, 'file_name': 'train/b.jpg', 'height': HEIGHT, 'width': WIDTH},
]
SQUARE = [5, 5, 15, 5, 15, 15, 5, 15]


def annotation(segmentation, category=3, image=11, **more):
    return {
        'id': 1,
        'image_id': image,
        'category_id': category,
        'segmentation': segmentation,
        **more,
    }


def export(tmp_path, *annotations, **more):
    content = {'images': IMAGES, 'categories': CATEGORIES}
    content['annotations'] = annotations
    path = tmp_path / 'x.json'
    path.write_text(json.dumps(content | more), encoding='utf-8')
    return coco.read_coco(path)


def draw(tmp_path, *annotations, photo='a'):
    size = HEIGHT, WIDTH
    label = export(tmp_path, *annotations).labels[photo]
    return segbook.draw_shapes(label.shapes(TABLE, size), size, TABLE)


# --------------------------------------------------------------- run lengths

# What pycocotools 2.0.11 made of these masks.
RECORDED = {
    '0120O10O10': [[1, 1, 1, 0], [0, 0, 0, 0], [0, 1, 1, 1]],
    '034OM010OO20N2012M': [
        *([1, 1, 1, 1, 1], [1, 1, 1, 0, 1], [1, 0, 0, 1, 1]),
        *([0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]),
        [0, 0, 0, 1, 1],
    ],
}


def test_recorded_texts_are_decoded():
    for text, mask in RECORDED.items():
        size = [len(mask), len(mask[0])]
        found = coco._rle_mask({'size': size, 'counts': text}, size)
        assert (
            found.dtype == bool
            and found.tolist() == onp.array(mask, bool).tolist()
        )


def test_a_recorded_text_of_a_larger_mask():
    mask = onp.zeros((40, 30), bool)
    mask[10:20, 3:23] = mask[-1, -1] = mask[:2, :2] = True
    text = '02V10b18VN' + '0' * 37 + ']8G'
    stored = {'size': [40, 30], 'counts': text}
    assert (coco._rle_mask(stored, (40, 30)) == mask).all()


def runs(mask):
    """Count the pixels of each run, down the columns: a loop."""
    counts, before = [0], False
    for x in range(mask.shape[1]):
        for y in range(mask.shape[0]):
            if mask[y, x] != before:
                counts.append(0)
                before = mask[y, x]
            counts[-1] += 1
    return counts


def encode(counts):
    """Write run lengths as text, five bits a character: a loop."""
    text = ''
    for i, count in enumerate(counts):
        rest = count - counts[i - 2] if i > 2 else count
        while True:
            low, rest = rest & 31, rest >> 5
            done = (rest == -1) if low & 16 else (rest == 0)
            text += chr(48 + low + (0 if done else 32))
            if done:
                break
    return text


def test_the_tests_encoder_writes_what_was_recorded():
    for text, mask in RECORDED.items():
        assert encode(runs(onp.array(mask, bool))) == text


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=12))
def test_any_counts_come_back(counts):
    assert coco._decode_counts(encode(counts)) == counts


@given(st.data())
def test_any_mask_comes_back(data):
    height, width = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    cells = st.lists(
        st.booleans(), min_size=height * width, max_size=height * width
    )
    mask = onp.array(data.draw(cells)).reshape(height, width)
    for counts in (runs(mask), encode(runs(mask))):
        stored = {'size': [height, width], 'counts': counts}
        assert (coco._rle_mask(stored, (height, width)) == mask).all()


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_any_text_is_decoded_or_refused(text):
    stored = {'size': [3, 4], 'counts': text}
    try:
        mask = coco._rle_mask(stored, (3, 4))
    except ValueError as error:
        assert 'has a mask' in str(error)
    else:
        assert mask.shape == (3, 4)


# -------------------------------------------------------------------- labels


def test_categories_may_have_gaps_and_come_in_the_order_of_their_ids(
    tmp_path,
):
    found = export(tmp_path)
    assert found.classes.names == ['background', 'ship', 'fish']
    assert sorted(found.labels) == ['a', 'b'] and found.remarks == ()
    label = draw(tmp_path, annotation([SQUARE], 7))[0]
    assert label[10, 10] == 2 and label[20, 20] == 0
    stuff = [*CATEGORIES, {'id': 9, 'name': 'background'}]
    names = export(tmp_path, categories=stuff).classes.names
    assert names == ['ship', 'fish', 'background']


def test_polygons_hold_the_pixels_inside(tmp_path):
    rng = onp.random.default_rng(0)
    for corners in (3, 5, 9):
        angles = onp.sort(rng.uniform(0, 2 * onp.pi, corners))
        reach = rng.uniform(5, 25, corners)
        x, y = 20 + reach * onp.cos(angles), 15 + reach * onp.sin(angles)
        points = onp.stack([x, y], axis=1).tolist()
        label, _ = draw(tmp_path, annotation([sum(points, [])]))
        sure = distance_to(points, HEIGHT, WIDTH) > 1.5
        expected = inside(points, HEIGHT, WIDTH)
        assert ((label == 1) == expected)[sure].all()


def test_parts_of_an_annotation_are_one_object(tmp_path):
    other = [20, 5, 30, 5, 30, 15, 20, 15]
    _, things = draw(tmp_path, annotation([SQUARE, other]))
    assert things[10, 10] == things[10, 25] > 0
    _, things = draw(tmp_path, annotation([SQUARE]), annotation([other]))
    assert things[10, 10] != things[10, 25]


def test_small_objects_are_not_hidden(tmp_path):
    """Whatever the order in the file."""
    small = annotation([SQUARE], 7)
    large = annotation([[1, 1, 38, 1, 38, 28, 1, 28]], 3)
    for order in ((small, large), (large, small)):
        label, _ = draw(tmp_path, *order)
        assert label[10, 10] == 2 and label[25, 30] == 1


@pytest.mark.parametrize('packed', [False, True])
def test_masks_and_crowds(tmp_path, packed):
    mask = onp.zeros((HEIGHT, WIDTH), bool)
    mask[3:25, 2:30] = True
    counts = encode(runs(mask)) if packed else runs(mask)
    stored = {'size': [HEIGHT, WIDTH], 'counts': counts}
    label, _ = draw(tmp_path, annotation(stored, 7))
    assert ((label == 2) == mask).all()
    label, things = draw(
        tmp_path, annotation([SQUARE], 7), annotation(stored, 3, iscrowd=1)
    )
    assert label[10, 10] == 2 and label[20, 20] == 255
    assert things[20, 20] == -1 and label[28, 35] == 0


def test_a_photo_without_annotations_is_background(tmp_path):
    label, _ = draw(tmp_path, annotation([SQUARE]), photo='b')
    assert (label == 0).all()


# -------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    'bad, words',
    [
        (annotation([]), 'only a box'),
        (annotation(None), 'only a box'),
        ({'id': 1, 'image_id': 11, 'category_id': 3}, 'only a box'),
        (annotation('x'), 'neither polygons nor a mask'),
        (annotation([[1, 2, 3, 4]]), 'a polygon of 4 numbers'),
        (annotation([[1, 2, 3, 4, 5, 6, 7]]), 'a polygon of 7 numbers'),
        (annotation([1, 2, 3, 4, 5, 6]), 'no list of numbers'),
        (annotation([[1, 2, 3, 4, 5, None]]), 'no list of numbers'),
        (annotation([[1, 2, 3, 4, 5, 1e9]]), 'beyond'),
        (annotation([SQUARE], 4), 'category_id 4, which is not in its'),
        (annotation([SQUARE], [3]), 'category_id [3]'),
        (annotation({'size': [9, 9], 'counts': [81]}), 'mask of size [9, 9]'),
        (annotation({'counts': [81]}), 'mask of size None'),
        (
            annotation({'size': [HEIGHT, WIDTH], 'counts': [5]}),
            'a mask of 5 pixels, its photo 1200',
        ),
        (
            annotation({'size': [HEIGHT, WIDTH], 'counts': [-1, 1201]}),
            'no numbers of pixels',
        ),
        (
            annotation({'size': [HEIGHT, WIDTH], 'counts': ' '}),
            'damaged at character 0',
        ),
        (
            annotation({'size': [HEIGHT, WIDTH], 'counts': 'P'}),
            'end within a number',
        ),
    ],
)
def test_a_wrong_annotation_is_named_and_others_are_drawn(
    tmp_path, bad, words
):
    found = export(tmp_path, annotation([SQUARE]), bad)
    with pytest.raises(ValueError) as error:
        found.labels['a'].shapes(TABLE, (HEIGHT, WIDTH))
    text = str(error.value)
    assert text.startswith('x.json (a.jpg): annotation 2 (id 1)'), text
    assert words in text and len(text) < 400, text
    assert found.labels['b'].shapes(TABLE, (HEIGHT, WIDTH)) == []


def test_a_class_that_the_table_lacks(tmp_path):
    table = segbook.ClassTable(['background', 'ship'])
    label = export(tmp_path, annotation([SQUARE], 7)).labels['a']
    with pytest.raises(ValueError, match='fish, is in no class of the table'):
        label.shapes(table, (HEIGHT, WIDTH))


def test_annotations_of_no_photo_are_named(tmp_path):
    found = export(tmp_path, annotation([SQUARE], image=6), annotation([]))
    ((file, text, stops),) = found.remarks
    assert file == 'x.json' and stops
    assert '1 annotations' in text and 'image_id 6' in text


def test_two_photos_of_one_name_are_named(tmp_path):
    twice = [*IMAGES, {'id': 6, 'file_name': 'val/a.png'}]
    found = export(tmp_path, images=twice)
    ((_, text, stops),) = found.remarks
    assert 'a.jpg and val/a.png have the same name' in text and stops
    assert sorted(found.labels) == ['b']  # nobody knows which is of a


@pytest.mark.parametrize(
    'more, words',
    [
        ({'images': {}}, '«images» are no list'),
        ({'annotations': [3]}, '«annotations» are no list'),
        ({'categories': None}, '«categories» are no list'),
        ({'categories': [{'id': 1}]}, 'a category has id 1 and name None'),
        ({'categories': CATEGORIES * 2}, 'two categories have the id 7'),
        (
            {'categories': [{'id': 1, 'name': 'a'}, {'id': 2, 'name': 'a'}]},
            'two classes are called «a»',
        ),
        ({'images': IMAGES * 2}, 'two images have the id 11'),
        ({'images': [{'id': 1}]}, 'an image has id 1 and file_name None'),
        (
            {'images': [{'id': 1, 'file_name': 'a.jpg', 'height': 3}]},
            'height and width (3, None)',
        ),
    ],
)
def test_lists_that_are_damaged(tmp_path, more, words):
    with pytest.raises(ValueError) as error:
        export(tmp_path, **more)
    text = str(error.value)
    assert text.startswith(f'{tmp_path / "x.json"} is not of COCO: '), text
    assert words in text, text


# ---------------------------------------------------- whatever stands in it

ODD = [
    *(None, True, 0, -1, 1.5, 10**9, '', 'x', '\0\ud800\n', [], {}, [[]]),
    *([None], [[1, 2, 3, 4, 5, 6]], {'counts': [1]}, {'size': [1, 1]}),
    {'size': [HEIGHT, WIDTH], 'counts': {}},
    {'size': [HEIGHT, WIDTH], 'counts': [True, 1199]},
    {'size': [HEIGHT, WIDTH], 'counts': [10**17]},
]


@pytest.mark.parametrize('place', ['images', 'annotations', 'categories'])
def test_odd_fields_are_read_or_refused_in_a_short_line(tmp_path, place):
    fields = {
        'images': IMAGES[0],
        'annotations': annotation([SQUARE], iscrowd=0),
        'categories': CATEGORIES[0],
    }[place]
    refused = 0
    for field in fields:
        for odd in ODD:
            content = {
                'images': [IMAGES[0]],
                'annotations': [annotation([SQUARE], 7, iscrowd=0)],
                'categories': [CATEGORIES[0]],
            }
            content[place][0] = content[place][0] | {field: odd}
            path = tmp_path / 'x.json'
            path.write_text(json.dumps(content), encoding='utf-8')
            try:
                found = coco.read_coco(path)
                for label in found.labels.values():
                    label.shapes(TABLE, (HEIGHT, WIDTH))
            except ValueError as error:
                refused += 1
                assert 'x.json' in str(error) and len(str(error)) < 600
    assert refused > len(ODD) / 2


@pytest.mark.parametrize(
    'text', ['', '{', '[' * 9999, '{"images": NaN}', '{"images": 1e999}', '\0']
)
def test_what_is_no_json_is_named(tmp_path, text):
    path = tmp_path / 'x.json'
    path.write_text(text, encoding='utf-8')
    with pytest.raises(ValueError, match=r'x\.json is no JSON file'):
        coco.read_coco(path)
