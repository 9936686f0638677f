"""Which photos a text names, and what is made of them is called."""

import os
import unicodedata
from pathlib import Path

from tools.find_photos import find_photos, names_for

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with photos and other files, from which they are named."""
    for name in (
        *('a.jpg', 'my photo.jpg', 'b[1].jpg', 'notes.txt', 'x y/1.PNG'),
        *('holiday/b.jpg', 'holiday/a.JPEG', 'holiday/.hidden.jpg'),
        *('holiday/c.tif', 'holiday/list.txt', 'holiday/deep/d.jpg'),
        *('empty/list.txt', "it's.jpg", '$(touch HIT).jpg', '-rf.jpg'),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / 'empty' / 'folder.jpg').mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


HOLIDAY = ['holiday/a.JPEG', 'holiday/b.jpg', 'holiday/c.tif']


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('a.jpg', ['a.jpg']),
        ('my photo.jpg', ['my photo.jpg']),
        ('b[1].jpg', ['b[1].jpg']),  # a file, though it is a pattern, too
        ("it's.jpg", ["it's.jpg"]),
        ('$(touch HIT).jpg', ['$(touch HIT).jpg']),
        ('-rf.jpg', ['-rf.jpg']),
        ('notes.txt', ['notes.txt']),  # what is named is tried
        ('holiday', HOLIDAY),
        ('holiday/', HOLIDAY),
        ('holiday/*', HOLIDAY),
        ('holiday/[ab].*', HOLIDAY[:2]),
        ('holiday/**/*.jpg', ['holiday/b.jpg', 'holiday/deep/d.jpg']),
        ('x y', ['x y/1.PNG']),
        ('x y/*', ['x y/1.PNG']),
        ('holiday a.jpg', [*HOLIDAY, 'a.jpg']),
        ("a.jpg 'my photo.jpg' x\\ y", ['a.jpg', 'my photo.jpg', 'x y/1.PNG']),
        ('"it\'s.jpg"\n a.jpg', ["it's.jpg", 'a.jpg']),
        ('./a.jpg a.jpg holiday/../a.jpg', ['a.jpg']),  # each once
    ],
)
def test_a_text_names_photos(here, text, expected):
    found = find_photos(text)
    assert all(isinstance(path, Path) for path in found)
    assert [os.path.relpath(path, here) for path in found] == expected


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ("a.jpg ''", 'there is no photo '),
        ('', 'there is no photo '),
        ('gone.jpg', 'there is no photo gone.jpg'),
        ('my gone photo.jpg', 'there is no photo my gone photo.jpg'),
        ('a.jpg gone.jpg', 'there is no photo gone.jpg'),
        ("an 'open quote.jpg", "there is no photo an 'open quote.jpg"),
        ('empty', 'the folder empty has no photo: files .jpg, .png, …'),
        ('a.jpg empty', 'the folder empty has no photo: files .jpg, .png, …'),
        ('h*.png', 'there is no photo h*.png, and none that it matches'),
        ('x' * 5000, 'there is no photo ' + 'x' * 5000),
    ],
)
def test_what_names_no_photo_is_told(here, text, message):
    with pytest.raises(FileNotFoundError) as caught:
        find_photos(text)
    assert str(caught.value) == message


def test_no_shell_and_no_make_reads_the_names(here):
    with pytest.raises(FileNotFoundError):
        find_photos('`touch HIT` $(touch HIT) ; touch HIT')
    assert not (here / 'HIT').exists()


def test_home_is_where_the_photos_are(here, monkeypatch):
    monkeypatch.setenv('HOME', str(here))
    assert find_photos('~/a.jpg ~/holiday/b*') == [
        here / 'a.jpg',
        here / 'holiday/b.jpg',
    ]


def test_no_two_names_are_alike():
    """A photo whose name nobody else has keeps it."""
    paths = 'a/x.jpg b/x.jpg x.png x-2.jpg X.jpg y.jpg x-3-2.jpg x-3.jpg'
    names = names_for(paths.split())
    assert names == ['x', 'x-4', 'x-5', 'x-2', 'X-6', 'y', 'x-3-2', 'x-3']
    assert names_for(paths.split()) == names
    two = [unicodedata.normalize(form, 'Möwe') for form in ('NFC', 'NFD')]
    assert names_for(two) == [two[0], f'{two[1]}-2']


def test_a_long_name_leaves_room_for_an_ending():
    long = 'ä' * 125
    one, other = names_for([f'{long}.jpg', f'{long}.png'])
    assert one == 'ä' * 100 and other == f'{one}-2'
    assert names_for(['\udcff' * 240 + '.jpg']) == ['\udcff' * 200]
