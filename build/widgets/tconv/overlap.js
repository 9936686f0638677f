/* Heat maps: how many stamps reach each output cell, or what an input of
 * ones becomes, after one layer and after two. */

class Overlap {
  constructor(explorer) {
    this.explorer = explorer;
    this.kind = 'count';
    this.data = []; // one grid a layer
    this.boards = [0, 1].map((layer) => {
      const board = new Board((c) => this.paint(c, layer),
        (c) => this.paintFocus(c, layer));
      board.canvas.setAttribute('role', 'img');
      board.say = el('p', { 'class': 'tconv-say' });
      board.figure = el('div', {}, board.canvas, board.say);
      return board;
    });
    const kinds = {};
    const kind = (key, label) => {
      kinds[key] = el('button', {
        type: 'button', 'aria-pressed': String(key === this.kind),
        onclick: () => {
          this.kind = key;
          for (const [name, button] of Object.entries(kinds)) {
            button.setAttribute('aria-pressed', String(name === key));
          }
          this.show();
          explorer.layout();
        },
      }, label);
      return kinds[key];
    };
    this.two = el('input', { type: 'checkbox' });
    this.two.addEventListener('change',
      () => explorer.change({ two: this.two.checked }));
    this.rule = el('p', { 'class': 'tconv-say' });
    this.root = el('div', { 'class': 'tconv-overlap' },
      el('div', { 'class': 'tconv-head' },
        el('h3', {}, 'Overlap'),
        el('div', { 'class': 'tconv-row', role: 'group',
          'aria-label': 'What the heat map shows' },
        kind('count', 'number of stamps'),
        kind('value', 'all-ones input, this kernel')),
        el('label', { 'class': 'tconv-row' }, this.two, 'second layer')),
      this.rule,
      el('div', { 'class': 'tconv-heats' },
        ...this.boards.map((board) => board.figure)));
  }

  show() {
    const { state, K } = this.explorer;
    this.two.checked = state.two;
    this.rule.textContent = this.kind === 'count'
      ? overlapRule(state, K).text : this.valueRule();
    this.data = this.compute(state.two ? 2 : 1);
    this.boards.forEach((board, layer) => {
      board.hidden = board.figure.hidden = !this.data[layer];
      if (!board.hidden) this.describe(layer);
    });
  }

  /** Whether this kernel makes a checkerboard of ones. */
  valueRule() {
    const { same, text } = ofOnes(this.explorer.state, this.explorer.K);
    return `Away from the border ${text}.` +
      (same ? '' : ' That is the checkerboard.');
  }

  /** The grids of so many layers; fewer where nothing is left. */
  compute(layers) {
    const { state, K } = this.explorer;
    const { h, w } = state;
    const found = [];
    let at = { rows: h, cols: w, values: new Float64Array(h * w).fill(1) };
    for (let l = 1; l <= layers; l++) {
      const here = { ...state, h: at.rows, w: at.cols };
      const [rows, cols] = sizes(here);
      if (rows < 1 || cols < 1) break;
      let values;
      if (this.kind === 'value') {
        values = scatter(at.values, K, here);
      } else {
        const across = paths(w, state, l);
        values = paths(h, state, l).flatMap((a) => across.map((b) => a * b));
      }
      at = { rows, cols, values };
      found.push(at);
    }
    return found;
  }

  /** Say what the map of a layer holds. */
  describe(layer) {
    const { rows, cols, values } = this.data[layer];
    const what = this.kind === 'value' ? 'values' : layer ? 'paths' : 'stamps';
    const { state, K } = this.explorer;
    const [least, most] = inside(state, layer + 1,
      this.kind === 'value' ? K : undefined);
    const middle = nearlyEqual(least, most) ? `always ${number(least, 2)}`
      : `${number(least, 2)} to ${number(most, 2)}`;
    const low = values.reduce((a, b) => Math.min(a, b));
    const high = values.reduce((a, b) => Math.max(a, b));
    const text = `${layer ? 'The same layer twice' : 'One layer'}, ` +
      `${rows} × ${cols}: ${number(low, 2)} to ${number(high, 2)} ` +
      `${what}, away from the border ${middle}`;
    this.boards[layer].say.textContent = text;
    this.boards[layer].canvas.setAttribute('aria-label', `Heat map. ${text}`);
  }

  layout(wide, high) {
    this.boards.forEach((board, layer) => {
      if (board.hidden) return;
      const { rows, cols } = this.data[layer];
      board.cell = fit(rows, cols, wide - 4, high, 30) ||
        Math.min(wide / cols, 260 / rows);
      board.size(cols * board.cell, rows * board.cell);
    });
  }

  shade() {
    this.shades = this.data.map(({ values }) =>
      new Shades(this.explorer.palette, values, this.kind));
  }

  paint(c, layer) {
    const { rows, cols, values } = this.data[layer];
    const { cell } = this.boards[layer];
    const shades = this.shades[layer];
    if (cell >= 2) {
      paintCells(c, false, this.data[layer], cell, shades);
      return;
    }
    // One image pixel a cell, then scaled.
    const image = new ImageData(cols, rows);
    for (let at = 0; at < values.length; at++) {
      const [r, g, b] = shades.rgb(values[at]);
      image.data.set([r, g, b, 255], at * 4);
    }
    const small = el('canvas', { width: cols, height: rows });
    small.getContext('2d').putImageData(image, 0, 0);
    c.imageSmoothingEnabled = cell < 1;
    c.drawImage(small, 0, 0, cols * cell, rows * cell);
  }

  paintFocus(c, layer) {
    const { lit: { focus }, palette, cols } = this.explorer;
    const { cell } = this.boards[layer];
    if (layer || !focus || focus.kind !== 'y') return;
    outline(c, [(focus.at % cols) * cell, Math.floor(focus.at / cols) * cell,
      cell, cell], palette.y, cell > 8 ? 2.5 : 1.5);
  }
}
