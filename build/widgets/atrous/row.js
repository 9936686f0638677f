/* One dimension: a row of numbers for each layer, and what reads what. */

const GAP = 46; // pixels of the screen between two rows
const SHAPE = 'http://www.w3.org/2000/svg';

function shape(tag, attributes = {}, text = null) {
  const made = document.createElementNS(SHAPE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  if (text !== null) made.textContent = text;
  return made;
}

class Row {
  /** `point(look)` is called with the output that a reader chooses. */
  constructor(point) {
    this.point = point;
    this.picture = shape('svg', {
      role: 'slider', tabindex: 0, 'aria-label': 'Output',
      'aria-valuemin': 0, 'class': 'atrous-row',
    });
    const find = (event) => {
      const box = this.picture.getBoundingClientRect();
      const m = this.nearest(event.clientX - box.left);
      if (m !== this.state.look) this.point(m);
    };
    this.picture.addEventListener('pointerdown', find);
    this.picture.addEventListener('pointermove', (event) => {
      if (event.pointerType === 'mouse' || event.pressure > 0) find(event);
    });
    this.picture.addEventListener('keydown', (event) => {
      const last = this.outputs - 1;
      const { look } = this.state;
      const to = { ArrowRight: look + 1, ArrowUp: look + 1,
        ArrowLeft: look - 1, ArrowDown: look - 1, Home: 0,
        End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.point(Math.max(0, Math.min(last, to)));
    });
  }

  nearest(x) {
    const { step, size } = fields(this.state).at(-1);
    const m = Math.round((x / this.unit - size / 2) / step);
    return Math.max(0, Math.min(this.outputs - 1, m));
  }

  draw(state, width) {
    this.state = state;
    const { outputs, pixels } = extent(state);
    this.outputs = outputs;
    this.unit = width / pixels;
    const layers = fields(state);
    const height = GAP * (layers.length - 1) + 36;
    const y = (layer) => height - 18 - GAP * layer;
    const x = (layer, m) => this.unit *
      (layers[layer].step * m + layers[layer].size / 2);
    const parts = [];
    const mine = ways(state, state.look);
    const near = state.look + 1 < outputs ? state.look + 1 : state.look - 1;
    const others = outputs > 1 ? ways(state, near) : [];
    const lines = (found, name) => {
      for (let layer = layers.length - 1; layer > 0; layer--) {
        for (const m of found[layer].keys()) {
          for (let tap = 0; tap < state.k; tap++) {
            const to = m * state.strides[layer - 1] +
              tap * state.rates[layer - 1];
            parts.push(shape('line', { x1: x(layer, m), y1: y(layer),
              x2: x(layer - 1, to), y2: y(layer - 1), 'class': name }));
          }
        }
      }
    };
    if (others.length) lines(others, 'a-line is-other');
    lines(mine, 'a-line');
    const radius = Math.max(2, Math.min(7, this.unit * 0.36));
    layers.forEach(({ size, step }, layer) => {
      const count = Math.floor((pixels - size) / step) + 1;
      for (let m = 0; m < count; m++) {
        const seen = mine[layer].has(m);
        const other = others.length && others[layer].has(m);
        parts.push(shape('circle', { cx: x(layer, m), cy: y(layer),
          r: seen && layer === layers.length - 1 ? radius + 2 : radius,
          'class': `a-dot${seen ? ' is-seen' : ''}` +
            `${other ? ' is-other' : ''}` }));
      }
    });
    this.picture.setAttribute('width', width);
    this.picture.setAttribute('height', height);
    this.picture.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.picture.replaceChildren(...parts);
    this.picture.setAttribute('aria-valuemax', outputs - 1);
    this.picture.setAttribute('aria-valuenow', state.look);
    this.picture.setAttribute('aria-valuetext', `output ${state.look} of ` +
      `${outputs}, sees pixels ${[...mine[0].keys()].sort((a, b) => a - b)
        .join(', ')}`);
  }
}
