"""Turn d2lbook's marks into text that reads well in a notebook.

On the pages Sphinx numbers and links figures, formulas and chapters; a
notebook has no Sphinx, so the numbers are worked out here, in the same way:
figure 2.1 is the first with a caption in chapter 2.
"""

import base64
import io
import re
from pathlib import Path

import book
import exercises
from parts.images import open_image

PREVIEW = 480  # pixels: how wide a stored picture of photos is at most
LABEL = re.compile(r'^:label:`([^`]+)`[ \t]*\n?', re.M)
HEADING = re.compile(r'^(#+) (.+)\n:label:`([^`]+)`', re.M)
FIGURE = re.compile(
    r'^!\[(?P<caption>[^]]+)\]\((?P<file>[^)]+)\)'
    r'(?:\n:width:`[^`]*`)?(?:\n:label:`(?P<label>[^`]+)`)?',
    re.M,
)
TABLE = re.compile(
    r'^:(?P<caption>[^:`\n][^`\n]*)\n\n(?P<rows>(?:\|.*\n?)+)'
    r'(?:\n?:label:`(?P<label>[^`]+)`)?',
    re.M,
)
EQUATION = re.compile(r'\$\$\n:eqlabel:`([^`]+)`')
REFERENCE = re.compile(r':(?:numref|ref|eqref):`([^`]+)`')


def targets(root):
    """Return {label: how a notebook refers to it} for the whole book."""
    found = {}
    for number, page in enumerate(book.chapters(root), 1):
        text = (root / page).read_text(encoding='utf-8')
        for marks, title, label in HEADING.findall(text):
            link = f'{page.stem}.ipynb'
            if len(marks) == 1:
                found[label] = f'[Chapter {number}]({link})'
            else:
                anchor = title.replace(' ', '-')
                found[label] = f'[«{title}»]({link}#{anchor})'
        for kind, pattern in (('Fig.', FIGURE), ('Table', TABLE)):
            for place, match in enumerate(pattern.finditer(text), 1):
                name = f'{kind} {number}.{place}'
                found[match['label'] or match['caption']] = name
        for place, label in enumerate(EQUATION.findall(text), 1):
            found[label] = f'({number}.{place})'
    for page in book.pages(root):
        text = (root / page).read_text(encoding='utf-8')
        for _, title, label in HEADING.findall(text):
            if page.parts[0] == exercises.FOLDER:
                title = f'[{title}]({book.file_name(page)})'
            found.setdefault(label, title)
    return found


def readable(text, found):
    """Return a Markdown cell's text without marks."""

    def named(match):
        name = found.get(match['label'] or match['caption'], '')
        return f'**{name}** {match["caption"]}'

    text = FIGURE.sub(lambda m: f'![]({m["file"]})\n\n{named(m)}', text)
    text = TABLE.sub(lambda m: f'{named(m)}\n\n{m["rows"]}', text)
    text = EQUATION.sub(
        lambda m: rf'\tag{{{found.get(m[1], "").strip("()")}}}$$', text
    )
    text = REFERENCE.sub(lambda m: found.get(m[1], m[1]), text)
    text = re.sub(r':cite:`([^`]+)`', r'[\1]', text)
    return LABEL.sub('', text)


def make_readable(notebook, found):
    """Replace the marks in all Markdown cells of a notebook."""
    for cell in notebook.cells:
        if cell.cell_type == 'markdown':
            cell.source = readable(cell.source, found)
    return notebook


def attach_pictures(notebook, folder):
    """Pack the pictures that a notebook's text shows into the notebook."""
    for cell in notebook.cells:
        if cell.cell_type != 'markdown':
            continue
        for address in re.findall(r'!\[[^]]*\]\((\S+\.svg)\)', cell.source):
            name = Path(address).name
            picture = (folder / address).read_text(encoding='utf-8')
            cell.setdefault('attachments', {})[name] = {
                'image/svg+xml': picture
            }
            cell.source = cell.source.replace(address, f'attachment:{name}')


def shrink_photos(notebook):
    """Make a notebook's stored JPEGs small: its cells draw them anew, large.

    What a picture says to whoever cannot see it, its comment, stays.
    """
    for cell in notebook.cells:
        for output in cell.get('outputs', []):
            data = output.get('data', {})
            if 'image/jpeg' not in data:
                continue
            stored, small = base64.b64decode(data['image/jpeg']), io.BytesIO()
            image = open_image(io.BytesIO(stored))
            comment = image.info.get('comment', b'')
            image.thumbnail((PREVIEW, image.height))
            image.save(small, 'JPEG', quality=80, comment=comment)
            data['image/jpeg'] = base64.b64encode(small.getvalue()).decode()
