"""VOC's archive is unpacked by any Python; one of somebody else is not."""

import hashlib
import io
import os
import tarfile

import utils

import pytest

VOC = 'VOCdevkit/VOC2012'
GOOD = {f'{VOC}/JPEGImages/a.jpg': b'a' * 70_000, f'{VOC}/b.txt': b''}


def member(name, content=b'', **more):
    """A member and its content; more: its fields, such as type=."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def folder_in(name):
    return member(name, type=tarfile.DIRTYPE)


def link(name, target, kind=tarfile.SYMTYPE):
    return member(name, type=kind, linkname=target)


def laid_there(folder, *members, format=tarfile.PAX_FORMAT, after=b''):
    """An archive that was laid into a folder by hand; its SHA-1 sum."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / utils.VOC_ARCHIVE
    with tarfile.open(path, 'w', format=format) as tar:
        for name, content in GOOD.items():
            tar.addfile(*member(name, content)[:1], io.BytesIO(content))
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    with open(path, 'ab') as file:
        file.write(after)
    return hashlib.sha1(path.read_bytes()).hexdigest()


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*'))


@pytest.mark.parametrize('format', [0, 1, 2])  # ustar, GNU, pax
def test_files_and_folders_are_unpacked(tmp_path, format):
    extra = folder_in(VOC), folder_in('./VOCdevkit'), member('./c', b'c')
    sha1 = laid_there(tmp_path / 'data', *extra, format=format)
    root = utils.download_voc(tmp_path / 'data', [], sha1)
    for name, content in {**GOOD, 'c': b'c'}.items():
        assert (root.parents[1] / name).read_bytes() == content


def test_a_python_without_filters_unpacks_as_well(tmp_path, monkeypatch):
    """3.11.2, which Debian 12 has, is one."""
    for name in dir(tarfile):
        if name.endswith(('_filter', 'FilterError')):
            monkeypatch.delattr(tarfile, name)
    sha1 = laid_there(tmp_path / 'good')
    assert utils.download_voc(tmp_path / 'good', [], sha1).is_dir()
    sha1 = laid_there(tmp_path / 'bad', member('../x', b'x'))
    with pytest.raises(ValueError, match='is not unpacked: ../x lies outside'):
        utils.download_voc(tmp_path / 'bad', [], sha1)


def beyond_the_longest_path(target):
    """Links whose true path is too long to be found out (CVE-2025-4517).

    Python's filters then took them for what they are not, and wrote outside.
    """
    members, path, short = [], '', []
    for letter in 'abcdefghijklmnop':
        long = 'd' * 247
        members += [folder_in(f'{path}{long}'), link(f'{path}{letter}', long)]
        path += f'{long}/'
        short.append(letter)
    way = '/'.join(short) + '/' + 'l' * 254
    members.append(link(way, '../' * len(short)))
    members.append(link('escape', f'{way}/../../../../{target}'))
    return [*members, member('escape/evil', b'evil')]


HOLES = {'GNU.sparse.size': '999', 'GNU.sparse.map': '0,1'}
BAD = {
    'a link': [link('x', '/etc')],
    'a link inside': [link('x', 'VOCdevkit')],
    'a link that is written through': [
        link('x', '..'),
        member('x/evil', b'1'),
    ],
    'a hard link': [link('x', f'{VOC}/b.txt', tarfile.LNKTYPE)],
    'a hard link outside': [link('x', '../../outside', tarfile.LNKTYPE)],
    'links beyond the longest path': beyond_the_longest_path('outside'),
    'a device': [member('x', type=tarfile.CHRTYPE, devmajor=1, devminor=5)],
    'a disk': [member('x', type=tarfile.BLKTYPE, devmajor=8)],
    'a pipe': [member('x', type=tarfile.FIFOTYPE)],
    'an unknown kind': [member('x', type=b'Z')],
    'a file with holes': [
        member(
            'x',
            pax_headers={'GNU.sparse.size': '999', 'GNU.sparse.map': '0,1'},
        )
    ],
    'an absolute name': [member('/tmp/book-outside', b'1')],
    'a name with two slashes': [member('//tmp/book-outside', b'1')],
    'a name that leads out': [member('../../outside/evil', b'1')],
    'a name that leads out later': [member('a/../../../outside/evil', b'1')],
    'a folder outside': [folder_in('../../outside/evil')],
    'a file twice': [member('x', b'1'), member('x', b'2')],
    'a file of VOC twice': [member(f'{VOC}/JPEGImages/a.jpg', b'2')],
    'a file and a folder': [member('x', b'1'), folder_in('x')],
    'a folder and a file': [folder_in('x'), member('x', b'1')],
    'a file below a file': [member('x', b'1'), member('x/y', b'1')],
    'a file below that': [member('x', b'1'), member('x/y/z', b'1')],
    'the folder itself': [member('.', b'1')],
    'no name': [member('./', b'1')],
    'a long name': [member('x/' * 150 + 'y', b'1')],
    'a name too long for a file': [member('x' * 300, b'1')],
}


@pytest.mark.parametrize('members', BAD.values(), ids=BAD.keys())
def test_anything_else_leaves_nothing_behind(tmp_path, members):
    outside, data = tmp_path / 'outside', tmp_path / 'deep' / 'data'
    outside.mkdir()
    sha1 = laid_there(data, *members)
    before = everything_below(tmp_path)
    with pytest.raises(ValueError, match=f'{data}/.* is not unpacked: '):
        utils.download_voc(data, [], sha1)
    lock = 'deep/data/.VOC2012.lock'
    assert everything_below(tmp_path) == sorted([*before, lock])
    assert not os.path.exists('/tmp/book-outside')


@pytest.mark.parametrize('size', [2**62, 10**9, -1])
def test_absurd_sizes_take_no_memory_and_no_disk(tmp_path, size):
    info, _ = member('x')
    info.size = size
    header = info.tobuf(tarfile.GNU_FORMAT)
    data = tmp_path / 'data'
    sha1 = laid_there(data)
    path = data / utils.VOC_ARCHIVE
    content = path.read_bytes()
    end = len(content.rstrip(b'\0')) // 512 * 512 + 512
    path.write_bytes(content[:end] + header + bytes(1024))
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match='is not unpacked: '):
        utils.download_voc(data, [], sha1)
    assert not (data / 'VOC2012-official').exists()


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_an_archive_that_was_cut_is_not_half_unpacked(tmp_path, share):
    data = tmp_path / 'data'
    laid_there(data, member('last', b'x' * 50_000))
    path = data / utils.VOC_ARCHIVE
    path.write_bytes(path.read_bytes()[: int(120_000 * share)])
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match='is not unpacked: '):
        utils.download_voc(data, [], sha1)
    assert everything_below(data) == ['.VOC2012.lock', utils.VOC_ARCHIVE]


def test_an_archive_may_not_be_packed_smaller(tmp_path):
    """VOC's is not; a few bytes of such a one could fill a disk."""
    path = tmp_path / utils.VOC_ARCHIVE
    with tarfile.open(path, 'w:gz') as tar:
        tar.addfile(*member('x', b'1')[:1], io.BytesIO(b'1'))
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    with pytest.raises(ValueError, match='is not unpacked: '):
        utils.download_voc(tmp_path, [], sha1)
