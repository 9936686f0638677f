/* The kernel: one side as a triangle, and the outer product of two. */

class Profile {
  constructor() {
    this.formula = el('p', { 'class': 'bilinear-formula' });
    this.picture = svg('svg', { role: 'img' });
    this.root = el('div', {},
      el('h3', {}, 'One side of the kernel'), this.formula, this.picture);
  }

  draw({ factor, centre, taps }, width) {
    const k = taps.length;
    const height = 200;
    const [left, right, top, bottom] = [30, 10, 24, 40];
    const x = (u) => left + (u - centre + factor) / (2 * factor) *
      (width - left - right);
    const y = (value) => height - bottom - value *
      (height - top - bottom);
    this.formula.replaceChildren(
      el('span', {}, el('var', {}, 'f'), ` = ⌊(${k} + 1) / 2⌋ = ${factor}`),
      el('span', {}, el('var', {}, 'c'), ' = ', el('var', {}, 'f'),
        k % 2 ? ' − 1' : ' − 0.5', ` = ${number(centre)}`),
      el('span', {}, 'weight ', el('var', {}, 'u'), ': 1 − |',
        el('var', {}, 'u'), ` − ${number(centre)}| / ${factor}`));
    const parts = levels(left, width - right, y);
    parts.push(svg('path', { 'class': 'b-tent', d: `M${x(centre - factor)} ` +
      `${y(0)}L${x(centre)} ${y(1)}L${x(centre + factor)} ${y(0)}` }));
    parts.push(svg('line', { x1: x(centre), x2: x(centre), y1: y(1) - 6,
      y2: y(0), 'class': 'b-centre' }));
    parts.push(svg('text', { x: x(centre), y: top - 10,
      'text-anchor': 'middle', 'class': 'b-name' },
    `centre ${number(centre)}`));
    // The factor: from the centre to where the triangle ends.
    const bar = height - 8;
    parts.push(svg('path', { 'class': 'b-centre', d: `M${x(centre)} ` +
      `${bar - 4}v8m0 -4H${x(centre + factor)}m0 -4v8` }));
    parts.push(svg('text', { x: x(centre) - 6, y: bar + 4,
      'text-anchor': 'end', 'class': 'b-name' }, `factor ${factor}`));
    const step = Math.ceil(k / (width / 26));
    taps.forEach((value, u) => {
      parts.push(svg('line', { x1: x(u), x2: x(u), y1: y(0), y2: y(value),
        'class': 'b-stem' }));
      parts.push(svg('circle', { cx: x(u), cy: y(value), r: 4,
        'class': 'b-dot' }));
      if (u % step === 0) {
        parts.push(svg('text', { x: x(u), y: y(0) + 15,
          'text-anchor': 'middle' }, String(u)));
      }
    });
    resize(this.picture, width, height);
    this.picture.replaceChildren(...parts);
    this.picture.setAttribute('aria-label', `A triangle with its top at ` +
      `${number(centre)} and half its width ${factor}; taps ` +
      taps.map((value) => number(value)).join(', '));
  }
}

const BETWEEN = 8; // pixels between the outer product and its factors

class Outer {
  constructor() {
    this.tap = null; // [u, v] pointed at
    this.say = el('p', { 'class': 'bilinear-say' });
    this.picture = svg('svg', { role: 'img' });
    this.root = el('div', {},
      el('h3', {}, 'The kernel: an outer product'), this.say, this.picture);
    const find = (event) => {
      const box = this.picture.getBoundingClientRect();
      const place = (at) => Math.floor((at - this.from) / this.cell);
      const u = place(event.clientY - box.top);
      const v = place(event.clientX - box.left);
      const k = this.taps.length;
      this.point(u >= 0 && v >= 0 && u < k && v < k ? [u, v] : null);
    };
    this.picture.addEventListener('pointermove', find);
    this.picture.addEventListener('pointerdown', find);
    this.picture.addEventListener('pointerleave', () => this.point(null));
  }

  point(tap) {
    if (String(tap) === String(this.tap)) return;
    this.tap = tap;
    this.paint();
  }

  draw({ taps }, width) {
    this.taps = taps;
    this.cell = Math.max(8, Math.min(34, Math.floor(
      Math.min(width - BETWEEN - 2, 240) / (taps.length + 1.001))));
    this.from = 1 + this.cell + BETWEEN; // where the product begins
    this.paint();
  }

  paint() {
    const { taps, cell, from } = this;
    const k = taps.length;
    const parts = [];
    const put = (x, y, value, kind, lit) => {
      const strength = Math.round((8 + 84 * value) * 10) / 10;
      parts.push(svg('rect', {
        x, y, width: cell, height: cell, 'class': lit ? 'b-cell is-lit'
          : 'b-cell', style: `fill: color-mix(in srgb, var(--w-${kind}) ` +
          `${strength}%, var(--w-surface))`,
      }));
      const text = number(value, 2).replace(/^0\./, '.');
      if (cell >= 22) {
        parts.push(svg('text', {
          x: x + cell / 2, y: y + cell / 2 + 3.5, 'text-anchor': 'middle',
          'class': value > 0.62 ? 'b-on' : 'b-in',
          'font-size': Math.min(12, (cell - 3) / (text.length * 0.58)),
        }, text));
      }
    };
    const [litU, litV] = this.tap || [-1, -1];
    taps.forEach((value, v) => put(from + v * cell, 1, value, 'k',
      v === litV));
    taps.forEach((value, u) => put(1, from + u * cell, value, 'k',
      u === litU));
    taps.forEach((down, u) => taps.forEach((across, v) => {
      if (u !== litU || v !== litV) {
        put(from + v * cell, from + u * cell, down * across, 'accent');
      }
    }));
    if (this.tap) { // last, so that its frame lies on top
      put(from + litV * cell, from + litU * cell, taps[litU] * taps[litV],
        'accent', true);
    }
    const whole = from + k * cell + 2;
    resize(this.picture, whole, whole);
    this.picture.replaceChildren(...parts);
    this.picture.setAttribute('aria-label', `The ${k} by ${k} kernel as ` +
      'column times row of the same triangle');
    this.say.textContent = this.tap
      ? `K[${litU}, ${litV}] = ${number(taps[litU])} × ` +
        `${number(taps[litV])} = ${number(taps[litU] * taps[litV])}`
      : 'Every cell is the product of its row’s weight and its column’s. ' +
        'Point at one.';
  }
}
