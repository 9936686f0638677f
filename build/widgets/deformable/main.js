/* Nine points of a kernel over a photo, each of which can be dragged.
 *
 * The data (see utils.show_widget) stand in the place's `data-options`:
 * {width, height, photo, centre}; `photo` one byte a pixel, in base64.
 */

const KERNELS = {
  'mean': Array(9).fill(1 / 9),
  'left to right': [-1, 0, 1, -2, 0, 2, -1, 0, 1].map((w) => w / 8),
  'middle against the others': Array.from({ length: 9 },
    (_, k) => (k === 4 ? 1 : -1 / 8)),
};
const SHAPES = { // how far a point moves, given its tap
  'regular': () => [0, 0],
  'rate 3': ([row, column]) => [2 * row, 2 * column],
  'tall': ([row]) => [3 * row, 0],
  'turned': ([row, column]) => [2 * (row - column) - row,
    2 * (row + column) - column],
};
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
  ArrowRight: [0, 1] };
const STEP = 0.1; // pixels of the photo, for an arrow key
const REACH = 30; // pixels of the screen: a finger is never exact
const DRAWN = 'http://www.w3.org/2000/svg';

function drawn(tag, attributes = {}) {
  const made = document.createElementNS(DRAWN, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  return made;
}

class Points {
  constructor(place) {
    const { width, height, photo, centre } = JSON.parse(place.dataset.options);
    place.removeAttribute('data-options'); // large, and read once
    const values = Float64Array.from(atob(photo),
      (letter) => letter.charCodeAt(0) / 255);
    this.map = { width, height, values };
    this.centre = [...centre];
    this.offsets = TAPS.map(SHAPES.regular);
    this.chosen = 4;
    this.weights = KERNELS.mean;
    this.build(place);
    this.paint();
    onTheme(this.root, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  build(place) {
    this.canvas = el('canvas', { 'aria-hidden': 'true',
      width: this.map.width, height: this.map.height });
    this.over = drawn('svg', { role: 'group', 'aria-label':
      'Nine points over a photo' });
    this.lines = drawn('g');
    this.dots = TAPS.map((_, k) => {
      const dot = drawn('g', { role: 'slider', tabindex: 0,
        'aria-label': `Point ${k + 1}`, 'aria-valuemin': -this.map.height,
        'aria-valuemax': 2 * this.map.height });
      dot.append(drawn('circle', { 'class': 'point-reach', r: 14 }),
        drawn('circle', { 'class': 'point-dot' }));
      dot.addEventListener('keydown', (event) => this.key(event, k));
      dot.addEventListener('focus', () => this.choose(k));
      return dot;
    });
    this.over.append(this.lines, ...this.dots);
    this.listen();
    this.pixels = el('div', { 'class': 'point-table' });
    this.products = el('div', { 'class': 'point-table' });
    this.say = el('p', { 'class': 'point-say', 'aria-live': 'polite' });
    this.sum = el('p', { 'class': 'point-sum', 'aria-live': 'polite' });
    const kernels = el('select', { 'aria-label': 'Weights of the kernel',
      onchange: () => this.change({ weights: KERNELS[kernels.value] }) },
    ...Object.keys(KERNELS).map((name) => el('option', {}, name)));
    const shapes = Object.entries(SHAPES).map(([name, shape]) =>
      el('button', { type: 'button',
        onclick: () => this.change({ offsets: TAPS.map(shape) }) }, name));
    this.root = el('section', { 'class': 'book-widget deformable',
      'aria-label': 'The points of a deformable kernel' },
    el('div', { 'class': 'point-controls' }, ...shapes,
      el('label', {}, 'weights ', kernels)),
    el('div', { 'class': 'point-stage' }, this.canvas, this.over),
    el('p', { 'class': 'point-hint' }, 'Drag a point, or go to it with Tab ' +
      'and use the arrow keys (with Shift: a whole pixel). Click anywhere ' +
      'else to move the kernel there.'),
    el('div', { 'class': 'point-tables' },
      el('div', {}, this.say, this.pixels),
      el('div', {}, this.sum, this.products)));
    place.append(this.root);
  }

  // ----------------------------------------------------------- pointing

  listen() {
    const at = (event) => {
      const box = this.over.getBoundingClientRect();
      return [event.clientY - box.top, event.clientX - box.left];
    };
    this.over.addEventListener('pointerdown', (event) => {
      const where = at(event);
      const far = this.places().map((place) => Math.hypot(
        ...place.map((p, axis) => (p + 0.5) * this.cell - where[axis])));
      const nearest = far.indexOf(Math.min(...far));
      event.preventDefault();
      if (far[nearest] > REACH) {
        this.change({ centre: where.map((p) => Math.floor(p / this.cell)) });
        return;
      }
      this.dots[nearest].focus({ preventScroll: true });
      this.dragged = nearest;
      this.over.setPointerCapture(event.pointerId);
    });
    this.over.addEventListener('pointermove', (event) => {
      if (this.dragged === undefined) return;
      this.put(this.dragged, at(event).map((p) => p / this.cell - 0.5));
    });
    for (const end of ['pointerup', 'pointercancel']) {
      this.over.addEventListener(end, () => { this.dragged = undefined; });
    }
  }

  key(event, k) {
    const place = this.places()[k];
    if (event.key === 'Home') {
      const offsets = this.offsets.map((o, n) => (n === k ? [0, 0] : o));
      this.change({ offsets });
    } else if (MOVES[event.key]) {
      const step = event.shiftKey ? 1 : STEP;
      this.put(k, MOVES[event.key].map((m, axis) => place[axis] + step * m));
    } else return;
    event.preventDefault();
  }

  /** Move point k to a place: at most a pixel and a half off the photo. */
  put(k, place) {
    const ends = [this.map.height, this.map.width];
    const old = this.places()[k];
    const offsets = this.offsets.map((offset, n) => (n !== k ? offset
      : offset.map((o, axis) => {
        const to = Math.max(-1.5, Math.min(ends[axis] + 0.5, place[axis]));
        return Math.round(100 * (o + to - old[axis])) / 100;
      })));
    this.change({ offsets, chosen: k });
  }

  choose(chosen) {
    if (chosen !== this.chosen) this.change({ chosen });
  }

  change(part) {
    Object.assign(this, part);
    this.draw();
  }

  places() {
    return placesOf(this.centre, this.offsets);
  }

  // -------------------------------------------------------------- looks

  paint() {
    const { width, height, values } = this.map;
    const context = this.canvas.getContext('2d');
    const image = context.createImageData(width, height);
    values.forEach((value, i) => {
      image.data.fill(255 * value, 4 * i, 4 * i + 3);
      image.data[4 * i + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  draw() {
    const { width, height } = this.map;
    const room = Math.min(this.root.clientWidth - 32, 640);
    if (room < 100) return;
    const cell = this.cell = room / width;
    for (const shown of [this.canvas, this.over]) {
      shown.style.width = `${room}px`;
      shown.style.height = `${cell * height}px`;
    }
    const places = this.places();
    const answer = respond(this.map, places, this.weights);
    this.mark(places, answer.found[this.chosen], cell);
    places.forEach(([row, column], k) => {
      const dot = this.dots[k];
      const text = `row ${number(row, 2)}, column ${number(column, 2)}, ` +
        `value ${number(answer.found[k].value, 3)}`;
      dot.setAttribute('transform',
        `translate(${(column + 0.5) * cell} ${(row + 0.5) * cell})`);
      dot.setAttribute('aria-valuenow', row);
      dot.setAttribute('aria-valuetext', text);
      dot.setAttribute('class', k === this.chosen ? 'is-chosen' : '');
      dot.lastChild.setAttribute('r', Math.max(4, Math.min(7, 0.35 * cell)));
    });
    this.tell(places[this.chosen], answer);
  }

  /** Lines from the regular places, and the four pixels that are read. */
  mark(places, { pixels }, cell) {
    const middle = (p) => (p + 0.5) * cell;
    this.lines.replaceChildren(
      ...pixels.filter(({ weight }) => weight > 0).map(({ row, column }) =>
        drawn('rect', { x: column * cell, y: row * cell, width: cell,
          height: cell, 'class': 'point-read' })),
      ...placesOf(this.centre, TAPS.map(() => [0, 0])).map(([r, c], k) =>
        drawn('line', { x1: middle(c), y1: middle(r), x2: middle(places[k][1]),
          y2: middle(places[k][0]) })));
  }

  tell([row, column], { found, sum }) {
    const { pixels, value } = found[this.chosen];
    this.say.textContent = `Point ${this.chosen + 1} is at row ` +
      `${number(row, 2)}, column ${number(column, 2)}, and reads ` +
      number(value, 3) + (pixels.length
      ? ', from four pixels, weight · value:' : ', for it lies outside.');
    this.pixels.replaceChildren(...pixels.map((one) => el('span', {
      'class': one.weight > 0 ? '' : 'is-off' },
    `${number(one.weight, 3)} · ${number(one.value, 3)}`)));
    this.pixels.style.setProperty('--columns', 2);
    this.sum.textContent = `All nine, weight · value, add up to ` +
      `${number(sum, 3)}:`;
    this.products.replaceChildren(...found.map((one, k) => el('span', {
      'class': k === this.chosen ? 'is-chosen' : '' },
    `${number(this.weights[k], 3)} · ${number(one.value, 3)}`)));
    this.products.style.setProperty('--columns', 3);
  }
}

function make(place) {
  place.points = new Points(place);
  globalThis.deformableMath = { placesOf, respond, sampleAt, KERNELS };
}
