/* The pages' own behaviour; each part does nothing where it finds nothing. */

'use strict';

// Opened as files, pages cannot read one another: search shows titles alone.
if (location.protocol === 'file:') {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// What search quotes from a page: its text, without buttons and TeX marks.
if (typeof Search === 'object') {
  Search.htmlToText = (html) => {
    const page = new DOMParser().parseFromString(html, 'text/html');
    const article = page.querySelector('article') ?? page.body;
    const debris = article.querySelectorAll('.headerlink, script, style');
    for (const part of debris) part.remove();
    return article.textContent.replace(/\\[()[\]]|\s+/g, ' ');
  };
}

/* Long outputs begin folded; a button shows them whole. */
function foldOutputs() {
  for (const output of document.querySelectorAll('div.long-output')) {
    const lines = output.textContent.trimEnd().split('\n').length;
    const button = document.createElement('button');
    button.className = 'fold';
    const label = () => {
      const whole = output.classList.contains('whole');
      button.textContent = whole ? 'Show less' : `Show all ${lines} lines`;
      button.setAttribute('aria-expanded', whole);
    };
    button.addEventListener('click', () => {
      output.classList.toggle('whole');
      label();
    });
    label();
    output.append(button);
  }
}

/* What is wider than its column becomes smaller; an output that would become
   too small to read wraps its lines. So nothing is cut off on a telephone. */
const SMALLEST = 0.65;

function fitColumn() {
  for (const formula of document.querySelectorAll('div.math mjx-container')) {
    formula.style.fontSize = '';
    const drawn = formula.querySelector('svg').getBoundingClientRect().width;
    shrink(formula, formula.clientWidth / drawn);
  }
  const tables = '.pst-scrollable-table-container > table';
  for (const table of document.querySelectorAll(tables)) {
    table.style.fontSize = '';
    const { clientWidth, scrollWidth } = table.parentElement;
    shrink(table, clientWidth / scrollWidth);
  }
  for (const output of document.querySelectorAll('div.output pre')) {
    output.style.fontSize = '';
    output.classList.remove('wrapped');
    const { paddingLeft, paddingRight } = getComputedStyle(output);
    const padding = parseFloat(paddingLeft) + parseFloat(paddingRight);
    const inner = (width) => width - padding;
    shrink(output, inner(output.clientWidth) / inner(output.scrollWidth));
    const wide = output.scrollWidth > output.clientWidth;
    output.classList.toggle('wrapped', wide);
  }
}

function shrink(box, scale) {
  if (!(scale < 1)) return;
  const size = parseFloat(getComputedStyle(box).fontSize);
  box.style.fontSize = `${size * Math.max(0.98 * scale, SMALLEST)}px`;
}

/* A picture leads to its file: on a telephone its letters are small. */
function openPictures() {
  for (const picture of document.querySelectorAll('.output-picture img')) {
    const link = document.createElement('a');
    link.href = picture.src;
    link.title = 'Open the picture in its full size';
    picture.replaceWith(link);
    link.append(picture);
  }
}

/* What scrolls inside the page can be scrolled by keyboard, too. */
function focusScrollers() {
  const boxes = '.highlight pre, .pst-scrollable-table-container, mjx-container';
  for (const box of document.querySelectorAll(boxes)) {
    const scrolls =
      box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    if (scrolls && getComputedStyle(box).overflowX !== 'visible') {
      box.tabIndex = 0;
    }
  }
}

/* Pointing at a reference shows what it refers to. */
class Previews {
  constructor() {
    this.box = document.createElement('div');
    this.box.className = 'preview';
    this.box.id = 'preview';
    this.box.setAttribute('role', 'tooltip');
    this.box.hidden = true;
    document.body.append(this.box);
    this.root = document.getElementById('documentation_options').dataset.url_root;
    this.book = new URL(this.root, location.href).href;
    const links = 'article a.reference.internal[href*="#"]';
    for (const link of document.querySelectorAll(links)) {
      link.removeAttribute('title');
      for (const event of ['mouseenter', 'focus']) {
        link.addEventListener(event, () => this.plan(() => this.show(link)));
      }
      for (const event of ['mouseleave', 'blur']) {
        link.addEventListener(event, () => this.plan(() => this.hide()));
      }
    }
    this.box.addEventListener('mouseenter', () => this.plan(() => {}));
    this.box.addEventListener('mouseleave', () => this.plan(() => this.hide()));
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.hide();
    });
  }

  plan(action) {
    clearTimeout(this.timer);
    this.timer = setTimeout(action, 180);
  }

  async show(link) {
    await this.load();
    const html = bookPreviews[decodeURI(link.href.slice(this.book.length))];
    if (!html) return;
    this.box.innerHTML = html;
    for (const image of this.box.querySelectorAll('img')) {
      image.src = this.root + image.getAttribute('src');
    }
    for (const inner of this.box.querySelectorAll('a')) {
      inner.replaceWith(...inner.childNodes); // a tooltip holds no links
    }
    await window.MathJax?.typesetPromise?.([this.box]);
    this.box.hidden = false;
    this.place(link);
    link.setAttribute('aria-describedby', 'preview');
    this.link = link;
  }

  /* Below the link where there is room, else above it. */
  place(link) {
    const at = link.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const right = document.documentElement.clientWidth - width - 16;
    const below = at.bottom + height + 12 < innerHeight || at.top < height + 12;
    const top = below ? at.bottom + 6 : at.top - height - 6;
    this.box.style.left = `${Math.max(16, Math.min(at.left, right)) + scrollX}px`;
    this.box.style.top = `${top + scrollY}px`;
  }

  hide() {
    this.box.hidden = true;
    this.link?.removeAttribute('aria-describedby');
  }

  load() {
    this.loaded ??= new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = `${this.root}_static/previews.js`;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    });
    return this.loaded;
  }
}

/* A page that has replaced its draft, build/unfinished.html, goes on where the
   reader was. */
function findPlace() {
  const [path, kind, mark, top] = JSON.parse(sessionStorage.getItem('place')) ?? [];
  sessionStorage.removeItem('place');
  if (path !== location.pathname) return;
  addEventListener('pagehide', () => (history.scrollRestoration = 'auto'));
  const now = document.querySelectorAll(kind)[mark]?.getBoundingClientRect().top;
  if (now !== undefined) scrollBy({ top: now - top, behavior: 'instant' });
}

document.addEventListener('DOMContentLoaded', async () => {
  foldOutputs();
  openPictures();
  new Previews();
  await window.MathJax?.startup?.promise;
  const arrange = () => {
    fitColumn();
    focusScrollers();
  };
  arrange();
  findPlace();
  let width = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth !== width) arrange(); // a telephone's bar changes heights
    width = innerWidth;
  });
  addEventListener('toggle', arrange, true); // a solution was opened
});
