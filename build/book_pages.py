"""Sphinx extension: what the book's pages need beyond theme and d2lbook.

d2lbook turns executed chapters into reStructuredText and a theme turns that
into pages. In between something is lost (the alternative text of pictures,
the meaning of plain output) and something is added that we do not want
(requests to the network, megabytes of unused icons). This module mends both:
first in the text, then in the document, then in the finished pages.
"""

import ast
import hashlib
import json
import re
import shutil
import sys
from importlib.metadata import distribution
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))

import book
import exercises
import readable
from parts.images import open_image

import nbformat
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.util import logging

logger = logging.getLogger(__name__)

# A text output longer than this many lines starts folded.
LONG_OUTPUT = 24

# What draws in a cell, and what the page makes of it.
DRAWING = re.compile(r'utils\.(show_(images|matrix|overlay)|plot)')
FOLD_DRAWING = '<details class="drawing"><summary>Code that draws</summary>'

# Files of Sphinx, d2lbook and the theme that no page of ours asks for.
UNUSED = [
    *('**/*.map', 'd2l.js', 'd2l.css', 'locales', 'images'),
    *('file.png', 'plus.png', 'minus.png', 'check-solid.svg'),
    *('*webpack-macros.html', 'jquery-*.js', 'underscore-*.js'),
    *('**/*.LICENSE.txt', 'vendor/fontawesome/*/js'),
    'vendor/fontawesome/*/webfonts/*.ttf',
    'vendor/fontawesome/*/webfonts/fa-brands-*',
    'vendor/fontawesome/*/webfonts/fa-v4compatibility.*',
]

# Tags that fetch what UNUSED removed (the style's font draws the icons), and
# font preloads, which a page opened as a file may not do.
UNUSED_TAGS = re.compile(
    r'<script[^>]*fontawesome[^>]*></script>\n?'
    r'|<link rel="preload" as="font"[^>]*>\n?'
)

# The address of a photo that a cell drew.
PHOTO = re.compile(r'(_images/[^"]+)\.jpg\b')

# A widget as parts/controls.py writes it into a notebook, which is alone.
WIDGET = re.compile(
    r'(<div data-widget="(\w+)"[^>]*></div>\n)'
    r'<style>\n(.*?)</style>\n<script>\n(.*?)</script>',
    re.DOTALL,
)

# Runs before the page is painted, so that no page flashes in the wrong light.
EARLY_THEME = """
{const page = document.documentElement.dataset;
if (page.theme !== 'light' && page.theme !== 'dark')
  page.theme = matchMedia('(prefers-color-scheme: dark)').matches
    ? 'dark' : 'light';}
"""


# ------------------------------------------------------------ configuration
def forget_d2l_assets(app, config):
    """Drop d2lbook's own script, which calls home, and its style."""
    for files in (app.registry.js_files, app.registry.css_files):
        files[:] = [f for f in files if f[0] not in ('d2l.js', 'd2l.css')]


def add_mathjax(app, config):
    """Ship MathJax itself: one file, out of an installed package."""
    package = distribution('sphinx-mathjax-offline')
    script = package.locate_file(
        'sphinx-mathjax-offline/static/mathjax/tex-svg.js'
    )
    config.html_static_path.append(str(script))


def digest():
    """Sum up this file and build/static: a change remakes the pages."""
    sha = hashlib.sha1()
    for path in [Path(__file__), *sorted(HERE.glob('static/*'))]:
        sha.update(path.name.encode() + path.read_bytes())
    return sha.hexdigest()


# ------------------------------------------------------- reStructuredText
def mend_source(app, docname, source):
    """Undo what nbconvert, pandoc and d2lbook did to the text."""
    text = literal_outputs(source[0])
    # The pages of exercises have no number of their own.
    text = re.sub(r':numref:(?=`ex_)', ':ref:', text)
    source[0] = split_emphasis(label_equations(text))


def literal_outputs(text):
    """Make output literal: as markup, `net0_` is a link and `*x*` italic."""
    return re.sub(
        r'^\.\. parsed-literal::$', '.. code-block:: none', text, flags=re.M
    )


def label_equations(text):
    """Move a label below a formula to where reStructuredText wants it."""
    block = r'^\.\. math::\n\n+((?:   .*\n)+?)(   :label: \S+)$'
    return re.sub(block, r'.. math::\n\2\n\n\1', text, flags=re.M)


def split_emphasis(text):
    """Take formulas and references out of bold and italic text.

    reStructuredText knows no markup inside markup: `**the :math:`p` here**`
    becomes `**the** :math:`p` **here**`.
    """
    role = r':\w+:`[^`]+`'
    text_or_role = rf'(?:[^*`]|{role})*?'
    emphasis = (
        rf'(?<![\w*])(\*\*?)(?=\S)({text_or_role}{role}{text_or_role})'
        r'(?<=\S)\1(?![\w*])'
    )

    def split(found):
        stars, inside = found.groups()
        joined = ''
        for i, word in enumerate(re.split(rf'(\s*{role}\s*)', inside)):
            if word and i % 2 == 0:
                word = f'{stars}{word}{stars}'
            if joined and word and not re.search(r'\s', joined[-1] + word[0]):
                joined += '\\ '  # a role may not touch a word
            joined += word
        return joined

    return re.sub(emphasis, split, text)


# ----------------------------------------------------------- the document
def mend_document(app, doctree):
    for image in doctree.findall(nodes.image):
        describe(image, Path(app.srcdir))
    for table in doctree.findall(nodes.table):
        align_numbers(table)
    for code in list(doctree.findall(nodes.literal_block)):
        if code.get('language') == 'python':
            fold_drawing(code)
    for output in doctree.findall(nodes.literal_block):
        if 'output' in output['classes']:
            lines = output.astext().count('\n') + 1
            if lines > LONG_OUTPUT:
                output['classes'].append('long-output')
            if output.astext().startswith('Right. '):
                output['classes'].append('verdict')


def describe(image, root):
    """Give a picture its alternative text: the file's own, or the caption."""
    figure = image.parent
    caption = [n for n in figure.children if isinstance(n, nodes.caption)]
    if not caption:  # a picture made by code, see caption_pictures
        figure['classes'].append('output-picture')
    text = picture_text(root / image['uri'])
    if not text and caption:
        text = ' '.join(caption[0].astext().split())
    if not text:
        logger.warning('%s has no alternative text', image['uri'])
    image['alt'] = text


def fold_drawing(code):
    """Fold away the call that draws at the end of a cell, with its layout.

    What comes before it teaches; where to put which title does not.
    """
    text = code.astext()
    try:
        call = ast.parse(text).body[-1]
    except (SyntaxError, IndexError):  # a task with a gap
        return
    if not DRAWING.match(ast.unparse(call)) or call.lineno == call.end_lineno:
        return
    lines = text.splitlines()
    drawing = code.deepcopy()
    rewrite(code, lines[: call.lineno - 1])
    rewrite(drawing, lines[call.lineno - 1 :])
    cell = code.parent
    place = cell.index(code) + 1
    # What the cell prints stays with the code that prints it.
    for at, node in enumerate(cell[place:], place + 1):
        if 'output' in node.get('classes', ()):
            place = at
        elif not isinstance(node, nodes.raw):  # d2lbook's marks for LaTeX
            break
    opening, closing = (
        nodes.raw('', tag, format='html')
        for tag in (FOLD_DRAWING, '</details>')
    )
    cell[place:place] = [opening, drawing, closing]
    if not code.astext():
        cell.remove(code)


def rewrite(code, lines):
    """Give a block of code these lines instead of its own."""
    # Sphinx highlights a block only if its source is its text.
    code.rawsource = '\n'.join(lines).strip('\n')
    code.children = []
    code += nodes.Text(code.rawsource)


def picture_text(path):
    """Read the description that a picture file carries in itself."""
    if not path.is_file():
        return ''
    if path.suffix == '.svg':
        svg = BeautifulSoup(path.read_bytes(), 'html.parser')
        text = svg.title.get_text() if svg.title else ''
    else:
        info = open_image(path).info
        text = info.get('comment') or info.get('Description')
    if isinstance(text, bytes):
        text = text.decode(errors='replace')
    return ' '.join((text or '').split())


def align_numbers(table):
    """Set columns of numbers to the right: d2lbook forgets alignment."""
    rows = [r.children for b in table.findall(nodes.tbody) for r in b.children]
    heads = [r.children for b in table.findall(nodes.thead) for r in b]
    number = re.compile(r'[-+−±~≈]?[\d.,  ]*\d\s?[%×]?|[-–—]?')
    for column, cells in enumerate(zip(*rows, strict=False)):
        if all(number.fullmatch(c.astext().strip()) for c in cells):
            for row in rows + heads:
                row[column]['classes'].append('number')


def mend_resolved(app, doctree, docname):
    caption_pictures(doctree, app.env.toc_secnumbers.get(docname, {}))
    name_chapters(doctree)
    list_references(doctree)


def caption_pictures(doctree, numbers):
    """Number the pictures that code made, and write below what they show.

    They have a count of their own, since notebooks have figures without
    having run. `numbers`: those of the page's sections, '' for the page's.
    """
    chapter = ''.join(f'{number}.' for number in numbers.get('') or ())
    pictures = [
        figure
        for figure in doctree.findall(nodes.figure)
        if 'output-picture' in figure['classes']
    ]
    for count, figure in enumerate(pictures, 1):
        figure['ids'] = [f'picture-{count}']
        number = nodes.inline(classes=['caption-number'])
        number += nodes.Text(f'Picture\xa0{chapter}{count} ')
        shown = next(figure.findall(nodes.image))['alt']
        figure += nodes.caption('', '', number, nodes.Text(shown))


def name_chapters(doctree):
    """Call «Section 2» what it is in this book: chapter 2."""
    for text in doctree.findall(nodes.Text):
        if re.fullmatch(r'Section\s\d+', text) and isinstance(
            text.parent.parent, nodes.reference
        ):
            text.parent.replace(text, nodes.Text('Chapter' + text[7:]))


def list_references(doctree):
    """Make the bibliography a list; as citations it closes one tag twice."""
    for box in list(doctree.findall(nodes.container)):
        entries = [n for n in box.children if isinstance(n, nodes.citation)]
        if not entries:
            continue
        items = nodes.bullet_list(classes=['bibliography'])
        for entry in entries:
            item = nodes.list_item(ids=entry['ids'])
            item += [n for n in entry.children if not is_label(n)]
            items += item
        box.children = []
        box += items


def is_label(node):
    return isinstance(node, nodes.label)


# --------------------------------------------------------------- the pages
def add_notebook_link(app, pagename, templatename, context, doctree):
    """Put a link to the page's notebook into its head."""
    if has_notebook(pagename):
        name = book.file_name(Path(pagename))
        context['header_buttons'].append(
            {
                'type': 'link',
                'url': context['pathto'](f'notebooks/{name}', 1),
                'text': 'Notebook',
                'tooltip': 'Download this page as a Jupyter notebook',
                'icon': 'fas fa-download',
                'label': 'notebook-button',
            }
        )


def add_try(app, pagename, templatename, context, doctree):
    """Load on the page «Try it», and on no other, what it needs."""
    if pagename == 'try':
        app.add_css_file('try/try.css')
        for name in ('net', 'photos', 'try'):
            app.add_js_file(f'try/{name}.js', loading_method='defer')


def has_notebook(pagename):
    return pagename.startswith(('chapters/', 'exercises/'))


def finish_pages(app, error):
    """After the build: notebooks beside the pages, and no dead weight."""
    if error or app.builder.name != 'html':
        return
    root = Path(app.outdir)
    copy_notebooks(app, root / 'notebooks')
    if 'try' in app.env.found_docs:
        import try_page  # late: it loads all of the book's code

        try_page.write(root / '_static' / 'try')
    for pattern in UNUSED:
        for path in list((root / '_static').glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    pack_photos(root / '_images')
    pages = {}
    for path in sorted(root.rglob('*.html')):
        text = path.read_text('utf-8')
        lighter = PHOTO.sub(r'\1.webp', UNUSED_TAGS.sub('', text))
        if path == root / 'index.html' and 'data-widget="front"' in lighter:
            import front_page  # late, too

            lighter = front_page.finish(lighter)
        lighter = share_widgets(lighter, root, path.parent)
        if lighter != text:
            path.write_text(lighter, encoding='utf-8')
        pages[path.relative_to(root).as_posix()] = lighter
    previews = json.dumps(collect_previews(pages), ensure_ascii=False)
    script = root / '_static' / 'previews.js'
    script.write_text(f'bookPreviews = {previews}\n', encoding='utf-8')


def pack_photos(folder):
    """Make WebP of the JPEGs that code drew: half as large, as good."""
    for path in folder.glob('*.jpg'):
        open_image(path).save(path.with_suffix('.webp'), quality=85)
        path.unlink()


def share_widgets(text, root, folder):
    """Let all pages take a widget's style and script from one file each.

    A page with five boxes for answers would hold them five times. `folder`:
    the page's.
    """

    def shared(found):
        place, name, *codes = found.groups()
        addresses = []
        for code, kind in zip(codes, ('css', 'js'), strict=True):
            sha = hashlib.sha1(code.encode()).hexdigest()[:8]
            path = root / '_static' / 'widgets' / f'{name}-{sha}.{kind}'
            path.parent.mkdir(exist_ok=True)
            path.write_text(code, encoding='utf-8')
            up = '../' * len(folder.relative_to(root).parts)
            addresses.append(up + path.relative_to(root).as_posix())
        style, script = addresses
        return (
            f'{place}<link rel="stylesheet" href="{style}">\n'
            f'<script src="{script}"></script>'
        )

    return WIDGET.sub(shared, text)


def copy_notebooks(app, folder):
    """Put notebooks beside the pages, fit to be read alone.

    A chapter's has its outputs, photos as small previews; exercises have no
    solutions.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    root = Path(app.srcdir).parents[1]
    numbers = readable.targets(root)
    for pagename in filter(has_notebook, app.env.found_docs):
        page = Path(f'{pagename}.md')
        if exercises.is_source(page):
            notebook = exercises.student_notebook(root, page)
        else:
            executed = book.executed(root, page)
            notebook = nbformat.read(executed, as_version=4)
        readable.attach_pictures(notebook, root / page.parent)
        readable.make_readable(notebook, numbers)
        readable.shrink_photos(notebook)
        nbformat.write(notebook, folder / book.file_name(page))


def collect_previews(pages):
    """Map each address that a page refers to onto what stands there."""
    soups = {
        page: BeautifulSoup(t, 'html.parser') for page, t in pages.items()
    }
    previews = {}
    for page, soup in soups.items():
        for link in soup.select('article a.reference.internal[href*="#"]'):
            path, anchor = link['href'].split('#')
            target = join(page, path) if path else page
            address = f'{target}#{anchor}'
            if not anchor or target not in soups or address in previews:
                continue
            if found := soups[target].find(id=anchor):
                previews[address] = preview(found, target)
    return previews


def preview(target, page):
    """Cut out what to show of a target: a figure, a formula, some lines."""
    whole = target.find_parent(['figure', 'table']) or target
    if target.name == 'span' and whole is target:  # a label before something
        whole = target.find_next_sibling() or target.parent
        if whole.name in ('h1', 'h2', 'h3'):
            whole = whole.parent
    is_section = whole.name == 'section'
    if is_section:  # its heading and first paragraph will do
        parts = whole.select_one('h1, h2, h3'), whole.select_one('p')
    else:
        parts = (whole,)
    html = BeautifulSoup(''.join(map(str, filter(None, parts))), 'html.parser')
    for debris in html.select('.headerlink, script'):
        debris.decompose()
    for image in html.select('img'):
        image['src'] = join(page, image['src'])
    for part in html.select('[id]'):
        if not is_section:
            del part['id']
    return str(html)


def join(page, href):
    """Resolve an address in a page, relative to the root of the book."""
    parts = page.split('/')[:-1]
    for step in href.split('/'):
        parts = parts[:-1] if step == '..' else [*parts, step]
    return '/'.join(parts)


def setup(app):
    app.add_config_value('book_digest', digest(), 'env')
    app.add_js_file(None, body=EARLY_THEME, priority=100)
    app.connect('config-inited', forget_d2l_assets)
    app.connect('config-inited', add_mathjax)
    app.connect('source-read', mend_source)
    app.connect('doctree-read', mend_document, priority=900)
    app.connect('doctree-resolved', mend_resolved)
    app.connect('html-page-context', add_notebook_link, priority=600)
    app.connect('html-page-context', add_try)
    app.connect('build-finished', finish_pages)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
