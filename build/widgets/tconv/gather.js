/* The gather view: the turned kernel over the spread input. */

class Gather {
  constructor(explorer) {
    this.explorer = explorer;
    this.board = new Board((c, pale) => this.paint(c, pale),
      (c) => this.paintFocus(c));
    this.turned = new Board((c, pale) => this.paintTurned(c, pale),
      (c) => this.paintTurnedFocus(c));
    this.turned.canvas.setAttribute('aria-hidden', 'true');
    this.glides = { window: new Glide() };
    this.say = el('p', { 'class': 'tconv-say' });
    this.root = el('div', { 'class': 'tconv-view' },
      el('h3', {}, 'Gather ', el('small', {}, 'Spread input')),
      el('div', { 'class': 'tconv-beside' }, this.say,
        el('div', { 'class': 'tconv-turned' }, this.turned.canvas,
          el('p', {}, 'K turned'))),
      pointable(explorer, this.board, 'Spread input with the window of one ' +
        'output cell. Arrow keys move the window.', (x, y) => this.at(x, y),
      (event) => pressOnOutput(explorer, event)));
  }

  show() {
    const { s, k, p, a } = this.explorer.state;
    const zeros = (n) => `${n} ${n === 1 ? 'zero' : 'zeros'}`;
    this.say.textContent = 'An ordinary convolution: the turned kernel ' +
      'slides in steps of 1 over the input, spread out with ' +
      `${zeros(s - 1)} between cells and ${zeros(k - 1 - p)} around` +
      (a ? ` (${a} more below and right).` : '.');
  }

  layout(wide) {
    const { spread: { rows, cols }, state: { k } } = this.explorer;
    this.cell = fit(rows, cols, wide, 380, 34);
    this.board.size(cols * this.cell, rows * this.cell);
    this.small = Math.max(6, Math.min(12, Math.floor(60 / k)));
    this.turned.size(k * this.small, k * this.small);
  }

  /** The output cell whose window lies around a place of the canvas. */
  at(x, y) {
    const { state: { k }, rows, cols } = this.explorer;
    const half = Math.floor((k - 1) / 2);
    const m = bound(Math.floor(y / this.cell) - half, rows);
    const n = bound(Math.floor(x / this.cell) - half, cols);
    return { kind: 'y', at: m * cols + n };
  }

  aim({ cell }, jump) {
    const { state: { k }, cols } = this.explorer;
    this.glides.window.send(cell === null ? null : [
      (cell % cols) * this.cell, Math.floor(cell / cols) * this.cell,
      k * this.cell, k * this.cell,
    ], jump);
  }

  paint(c, pale) {
    const { spread, state: { h, w, s }, shades, palette } = this.explorer;
    const { rows, cols, source, margin } = spread;
    const { cell } = this;
    c.fillStyle = palette.soft;
    c.fillRect(0, 0, cols * cell, rows * cell);
    c.fillStyle = css(palette.surface);
    c.fillRect(margin * cell, margin * cell, (s * (w - 1) + 1) * cell,
      (s * (h - 1) + 1) * cell);
    paintCells(c, pale, spread, cell, shades.x,
      (r, q, at) => source[at] < 0);
    if (cell >= 8) { // inserted zeros: a dot
      c.fillStyle = palette.strong;
      for (let at = 0; at < source.length; at++) {
        if (source[at] >= 0) continue;
        const x = (at % cols + 0.5) * cell;
        const y = (Math.floor(at / cols) + 0.5) * cell;
        const r = Math.min(1.6, cell / 9);
        c.beginPath();
        c.arc(x, y, r, 0, 7);
        c.fill();
      }
    }
    c.strokeStyle = palette.x;
    c.lineWidth = 1;
    for (let at = 0; at < source.length && cell >= 5; at++) {
      if (source[at] < 0) continue;
      c.strokeRect((at % cols) * cell + 0.5,
        Math.floor(at / cols) * cell + 0.5, cell - 1, cell - 1);
    }
  }

  paintFocus(c) {
    const { lit, K, spread, state: { k }, palette } = this.explorer;
    const { cols, source } = spread;
    const { board, cell } = this;
    const { window } = this.glides;
    if (window.at) {
      board.fade(c);
      board.copy(c, ...window.at);
      const rests = window.at[0] === window.to[0] &&
        window.at[1] === window.to[1];
      if (cell >= 26 && rests) { // the weights, small, in the corner
        const T = turned(K);
        c.font = `600 ${Math.min(10, cell * 0.3)}px ${FONT}`;
        c.textAlign = 'right';
        c.textBaseline = 'bottom';
        c.lineWidth = 2.5;
        c.strokeStyle = css(palette.surface);
        c.fillStyle = palette.k;
        for (let t = 0; t < k * k; t++) {
          const x = window.at[0] + (t % k + 1) * cell - 2;
          const y = window.at[1] + (Math.floor(t / k) + 1) * cell - 1;
          const text = number(T[t], 2);
          c.strokeText(text, x, y);
          c.fillText(text, x, y);
        }
      }
      outline(c, window.at, palette.k);
    }
    if (lit.x) {
      for (let at = 0; at < source.length; at++) {
        if (!lit.x.has(source[at])) continue;
        outline(c, [(at % cols) * cell + 1,
          Math.floor(at / cols) * cell + 1, cell - 2, cell - 2],
        palette.x, cell >= 8 ? 2.5 : 1.5);
      }
    }
  }

  paintTurned(c, pale) {
    const { K, state: { k }, shades, palette } = this.explorer;
    paintCells(c, pale, { rows: k, cols: k, values: turned(K) }, this.small,
      shades.k);
    c.strokeStyle = palette.k;
    c.lineWidth = 1.5;
    c.strokeRect(0.75, 0.75, this.turned.width - 1.5,
      this.turned.height - 1.5);
  }

  paintTurnedFocus(c) {
    const { lit, state: { k }, palette } = this.explorer;
    const { small } = this;
    if (!lit.k) return;
    this.turned.fade(c);
    for (const tap of lit.k) {
      const t = k * k - 1 - tap;
      const at = [(t % k) * small, Math.floor(t / k) * small, small, small];
      this.turned.copy(c, ...at);
      outline(c, at, palette.k, 1.5);
    }
  }
}
