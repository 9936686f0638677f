/* What the book's widgets share: elements, colour scheme, mounting.
 *
 * utils.show_widget joins this file and those of a widget's folder into one
 * function, in the order of their names. So they see one another's
 * declarations, and the page's other scripts do not; each name is declared
 * once. A folder's main.js declares `make(place)`, which fills the empty
 * element; it is called when all files have been read. Until then files only
 * declare: so their order does not matter.
 */

/** An element from a tag, attributes, and children (nodes or text). */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children);
  return made;
}

/** Whether the page is dark: the book's theme, JupyterLab's, else the
 * system's. */
function isDark() {
  const theme = document.documentElement.dataset.theme;
  if (theme === 'dark' || theme === 'light') return theme === 'dark';
  const jupyter = document.body.dataset.jpThemeLight;
  if (jupyter) return jupyter === 'false';
  return matchMedia('(prefers-color-scheme: dark)').matches;
}

/** Call `change(dark)` now and whenever the colour scheme changes. */
function onTheme(root, change) {
  let printing = false;
  // Off the page, too: JupyterLab takes cells out while scrolling.
  const tell = () => {
    const dark = isDark() && !printing;
    root.classList.toggle('is-dark', dark);
    change(dark);
  };
  const observer = new MutationObserver(tell);
  observer.observe(document.documentElement,
    { attributes: true, attributeFilter: ['data-theme'] });
  observer.observe(document.body,
    { attributes: true, attributeFilter: ['data-jp-theme-light'] });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change',
    tell);
  addEventListener('beforeprint', () => { printing = true; tell(); });
  addEventListener('afterprint', () => { printing = false; tell(); });
  tell();
}

function still() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/** Make every empty `<div data-widget="name">` a widget. */
function mount(name, make, tries = 40) {
  const places = document.querySelectorAll(
    `[data-widget="${name}"]:not([data-ready])`);
  for (const place of places) {
    place.dataset.ready = '';
    // Keys pressed in the widget are no commands of JupyterLab's: it looks
    // for this mark on the element that has the focus.
    place.addEventListener('focusin', (event) => {
      event.target.dataset.lmSuppressShortcuts = 'true';
    });
    make(place);
  }
  // JupyterLab may run a script before its output is on the page.
  if (!places.length && tries > 0) {
    setTimeout(() => mount(name, make, tries - 1), 50);
  }
}

/** Size a canvas in CSS pixels; returns its context, scaled to them. */
function sized(canvas, width, height) {
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const wide = Math.round(width * ratio);
  const high = Math.round(height * ratio);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** A short decimal: 0.0625, 3, −1.5 (with a true minus sign). */
function number(value, digits = 4) {
  const scale = 10 ** digits;
  const rounded = Math.round(value * scale) / scale || 0;
  return String(rounded).replace('-', '−');
}
