/* The scatter view: the output under the stamps, with what padding cuts. */

class Scatter {
  constructor(explorer) {
    this.explorer = explorer;
    this.board = new Board((c, pale) => this.paint(c, pale),
      (c) => this.paintFocus(c));
    this.glides = { stamp: new Glide(), cell: new Glide() };
    this.say = el('p', { 'class': 'tconv-say' });
    this.root = el('div', { 'class': 'tconv-view tconv-scatter' },
      el('h3', {}, 'Scatter ', el('small', {}, 'Output Y')),
      this.say,
      pointable(explorer, this.board, 'Output cells. Arrow keys move, ' +
        'Enter keeps the choice.', (x, y) => this.at(x, y),
      (event) => pressOnOutput(explorer, event)));
  }

  show() {
    const { s, p, a } = this.explorer.state;
    const cells = (n) => `${n} ${n === 1 ? 'cell' : 'cells'}`;
    this.say.textContent =
      'Every input cell stamps its multiple of the kernel, ' +
      `${cells(s)} apart; where stamps overlap, they add up.` +
      (p || a ? ' The frame is the output' : '') +
      (p ? `: padding cuts ${cells(p)} off each side` : '') +
      (a ? `${p ? ', ' : ': '}output padding gives ${a} back at the ` +
        'bottom and right' : '') + (p || a ? '.' : '');
  }

  layout(wide, high) {
    const { rows, cols } = this.explorer.full;
    this.cell = fit(rows, cols, wide, high);
    this.board.size(cols * this.cell, rows * this.cell);
  }

  /** The output cell at a place of the canvas. */
  at(x, y) {
    const { state: { p }, rows, cols } = this.explorer;
    const m = Math.floor(y / this.cell) - p;
    const n = Math.floor(x / this.cell) - p;
    if (m < 0 || n < 0 || m >= rows || n >= cols) return null;
    return { kind: 'y', at: m * cols + n };
  }

  /** Where the stamp of an input cell lies on the canvas. */
  stampOf(x) {
    const { w, k, s } = this.explorer.state;
    return [s * (x % w) * this.cell, s * Math.floor(x / w) * this.cell,
      k * this.cell, k * this.cell];
  }

  aim({ stamp, cell }, jump) {
    const { state: { p }, cols } = this.explorer;
    this.glides.stamp.send(stamp === null ? null : this.stampOf(stamp), jump);
    this.glides.cell.send(cell === null ? null : [
      (cell % cols + p) * this.cell, (Math.floor(cell / cols) + p) * this.cell,
      this.cell, this.cell,
    ], jump);
  }

  paint(c, pale) {
    const { state, full, shown, shades, palette, transport, rows,
      cols } = this.explorer;
    const { p, a, h, w, k, s } = state;
    const { cell } = this;
    const { frame } = transport;
    const waits = frame !== null && transport.order === 'y';
    paintCells(c, pale, { ...full, values: shown }, cell, shades.y,
      (r, q) => {
        const m = r - p;
        const n = q - p;
        return waits && (m < 0 || n < 0 || m >= rows || n >= cols ||
          m * cols + n > frame);
      });
    // What padding cuts off: veiled and hatched.
    const out = [p * cell, p * cell, cols * cell, rows * cell];
    const [wide, high] = [full.cols * cell, full.rows * cell];
    if (wide > out[2] || high > out[3]) {
      c.save();
      c.beginPath();
      c.rect(0, 0, wide, high);
      c.rect(...out);
      c.clip('evenodd');
      c.fillStyle = palette.veil;
      c.fillRect(0, 0, wide, high);
      c.strokeStyle = palette.strong;
      c.globalAlpha = 0.45;
      c.lineWidth = 1;
      c.beginPath();
      for (let x = -high; x < wide; x += 7) {
        c.moveTo(x, high);
        c.lineTo(x + high, 0);
      }
      c.stroke();
      c.restore();
    }
    if (a > 0) { // what output padding gave back
      c.save();
      c.setLineDash([4, 3]);
      c.strokeStyle = palette.ink;
      c.lineWidth = 1.25;
      c.beginPath();
      const y = (p + outputSize(h, k, s, p, 0)) * cell;
      const x = (p + outputSize(w, k, s, p, 0)) * cell;
      c.moveTo(out[0], y);
      c.lineTo(out[0] + out[2], y);
      c.moveTo(x, out[1]);
      c.lineTo(x, out[1] + out[3]);
      c.stroke();
      c.restore();
    }
    c.strokeStyle = palette.ink;
    c.lineWidth = 1.5;
    c.strokeRect(out[0] + 0.75, out[1] + 0.75, out[2] - 1.5, out[3] - 1.5);
  }

  paintFocus(c) {
    const { state: { k }, X, lit, palette } = this.explorer;
    const { board, cell } = this;
    const { stamp, cell: chosen } = this.glides;
    if (!lit.focus) return;
    c.save();
    if (lit.focus.kind === 'k') {
      const u = Math.floor(lit.focus.at / k);
      const v = lit.focus.at % k;
      board.fade(c);
      for (let x = 0; x < X.length; x++) {
        const [left, top] = this.stampOf(x);
        const at = [left + v * cell, top + u * cell, cell, cell];
        board.copy(c, ...at);
        outline(c, at, palette.k, cell >= 12 ? 2 : 1);
      }
    } else if (lit.focus.kind === 'y') {
      c.globalAlpha = 0.55;
      c.setLineDash([5, 3]);
      for (const x of lit.x) outline(c, this.stampOf(x), palette.k, 1.5);
    } else if (stamp.at) {
      board.fade(c);
      board.copy(c, ...stamp.at);
    }
    c.restore();
    if (stamp.at) outline(c, stamp.at, palette.k);
    if (chosen.at) {
      const [x, y] = chosen.at;
      const grow = Math.max(0, 5 - cell) / 2;
      outline(c, [x - grow, y - grow, cell + 2 * grow, cell + 2 * grow],
        palette.y, 3);
    }
  }
}
