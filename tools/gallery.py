"""What is written of photos: pictures, JSON, and a page that shows them all.

The page stands in the folder of the pictures, and names them relative to it:
the folder can be moved, sent, and opened without a server.
"""

import html
import json
import os
from contextlib import suppress
from pathlib import Path
from string import Template
from urllib.parse import quote

import utils
from parts.images import pixel_counts
from parts.texts import plain
from parts.whole import put, scratch

from PIL import Image

FEW = 50  # photos of a class: a net that saw fewer hardly knows it
# What is made of a photo; the last one says that all are there.
ENDINGS = '.png', '-overlay.jpg', '-photo.jpg', '.json'
_SIDE = 1400  # pixels of the photo's copy, as wide as the overlay
_TEMPLATE = Path(__file__).with_name('gallery.html')
_SEEN = (  # the ending of each picture, what it is called, its class
    ('-photo.jpg', 'Photo', ''),
    ('.png', 'Labels', ' class="pixels"'),
    ('-overlay.jpg', 'Overlay', ''),
)


def found_in(label, table, about):
    """What was found in a photo, by its label, for its JSON file: a dict.

    `about`: see `load_about` of tools/predict.py.
    """
    counts = pixel_counts(label)
    shares = {
        name: counts[index] / label.size
        for index, name in enumerate(table.names)
        if counts[index]
    }
    learnt = about.get('photos', {})
    notes = []
    for name in shares:
        count = learnt.get(name, FEW)
        if count < FEW:
            words = f'{count} photos only' if count else 'no photo'
            words = '1 photo only' if count == 1 else words
            notes.append(f'{plain(name, 60)}: learnt from {words}')
    return {
        'width': label.shape[1],
        'height': label.shape[0],
        'classes': shares,
        'void': counts[utils.VOID] / label.size,
        'notes': notes,
    }


def write(folder, name, photo, label, table, result):
    """Write what is made of a photo, all or nothing; return the paths.

    `result`: what its JSON file holds.
    """
    files = [folder / f'{name}{ending}' for ending in ENDINGS]
    with scratch(folder) as ours:
        made = ours / 'made'  # in ours itself, nobody else makes scratch
        made.mkdir()
        png, overlay, small, text = (made / file.name for file in files)
        utils.save_label(png, label, table.colormap)
        utils.save_overlay(overlay, photo, label, table)
        image = Image.fromarray(photo)
        image.thumbnail((_SIDE, _SIDE))
        image.save(small, 'JPEG', quality=88)
        text.write_text(json.dumps(result, indent=1) + '\n', 'utf-8')
        with suppress(FileNotFoundError):
            files[-1].unlink()
        for file in files:
            put(made / file.name, file)
    return tuple(files)


def page(results, failed, lines, table):
    """Return the page as a text, HTML.

    `results`: a dict for each photo, as its JSON file has it, and under
    'name' what its pictures are called. `failed`: {photo: what is wrong with
    it}. `lines`: texts on the net. `table`: the class table.
    """
    count = len(results)
    title = f'{count} photo{"s" * (count != 1)} segmented'
    head = [f'<p class="soft">{_text(line)}</p>' for line in lines]
    for photo, message in failed.items():
        # Most messages name the photo.
        if not message.startswith(photo):
            message = f'{photo}: {message}'
        head.append(f'<p class="warn">Not segmented: {_text(message)}</p>')
    photos = [_article(result, table) for result in results]
    return Template(_TEMPLATE.read_text('utf-8')).substitute(
        title=title, head='\n'.join(head), photos='\n'.join(photos)
    )


def _article(result, table):
    """What the page says of one photo."""
    size = f'{result["width"]} × {result["height"]} pixels'
    pictures = [_figure(result, *kind) for kind in _SEEN]
    notes = [f'<p class="warn">{_text(x)}</p>' for x in result['notes']]
    data = _link(f'{result["name"]}.json')
    return '\n'.join(
        [
            f'<article>\n<h2><bdi>{_text(result["photo"])}</bdi></h2>',
            f'<p class="soft">{size}, <a href="{data}">as JSON</a></p>',
            *notes,
            f'<div class="parts">\n{"".join(pictures)}',
            f'{_shares(result, table)}\n</div>\n</article>',
        ]
    )


def _figure(result, ending, what, kind):
    """One of the pictures of a photo."""
    link = _link(result['name'] + ending)
    alt = f'{what}: {_text(Path(result["photo"]).name)}'
    # The place is kept free until the picture comes (the overlay's is larger
    # by its legend).
    size = ''
    if what != 'Overlay':
        size = f' width="{result["width"]}" height="{result["height"]}"'
    return (
        f'<figure><figcaption>{what}</figcaption><a href="{link}">'
        f'<img src="{link}" alt="{alt}"{kind}{size} loading="lazy"></a>'
        '</figure>\n'
    )


def _shares(result, table):
    """A table of the classes of a photo and their shares, largest first."""
    rows = [
        (share, name, table.colormap[table.names.index(name)])
        for name, share in result['classes'].items()
    ]
    rows.sort(key=lambda row: -row[0])
    if result['void']:
        rows.append((result['void'], 'void', table.colormap[utils.VOID]))
    lines = []
    for share, name, color in rows:
        color = ','.join(map(str, color))
        lines.append(
            f'<tr><th scope="row"><span class="colour" style="background:'
            f'rgb({color})"></span><bdi>{_text(name)}</bdi><span class="bar" '
            f'style="width:{share:.2%}"></span></th><td>{share:.1%}</td></tr>'
        )
    return (
        '<table><caption>Share of the pixels</caption>\n<tbody>'
        + '\n'.join(lines)
        + '</tbody></table>'
    )


def _text(text):
    """A text as HTML, and nothing else than a text."""
    return html.escape(plain(text))


def _link(name):
    """The address of a file in the page's folder, whatever it is called."""
    return './' + quote(os.fsencode(name), safe='')
