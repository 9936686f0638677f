/* The matrix view: input and output as columns, and the transposed matrix. */

const EDGE = 14; // of the input's row above and the output's column beside it
const GAP = 4; // between them and the matrix

class Matrix {
  constructor(explorer) {
    this.explorer = explorer;
    this.board = new Board((c, pale) => this.paint(c, pale),
      (c) => this.paintFocus(c));
    this.glides = { row: new Glide(), column: new Glide() };
    this.title = el('h3');
    this.root = el('div', { 'class': 'tconv-view' },
      this.title,
      el('p', { 'class': 'tconv-say' }, 'Output and input written as ' +
        'columns: each column of the matrix is one stamp, each row collects ' +
        'one output cell.'),
      pointable(explorer, this.board, 'Transposed matrix. Arrow keys move ' +
        'over rows and columns.', (x, y) => this.at(x, y),
      (event) => this.press(event)));
  }

  show() {
    const { rows, cols } = this.explorer.entries;
    this.title.replaceChildren('Matrix ', el('small', {},
      `Wᵀ, ${rows} × ${cols}`));
  }

  layout(wide) {
    const { rows, cols } = this.explorer.entries;
    const cw = Math.min((wide - EDGE - GAP) / cols, 22);
    const ch = Math.min(380 / rows, cw);
    // A cell, and the whole matrix; it begins at x = 0, y = top.
    this.geometry = { cw, ch, top: EDGE + GAP, wide: cw * cols,
      high: ch * rows };
    this.board.size(Math.ceil(cw * cols + GAP + EDGE),
      Math.ceil(EDGE + GAP + ch * rows));
  }

  /** The entry, or the cell of the edges, at a place of the canvas. */
  at(x, y) {
    const { cw, ch, top, wide } = this.geometry;
    const { rows, cols } = this.explorer.entries;
    const col = Math.floor(x / cw);
    const row = Math.floor((y - top) / ch);
    const inCols = col >= 0 && col < cols;
    const inRows = row >= 0 && row < rows;
    if (inCols && inRows) return { kind: 'm', row, col };
    if (inCols && y < top) return { kind: 'x', at: col };
    if (inRows && x >= wide) return { kind: 'y', at: row };
    return null;
  }

  press(event) {
    const { explorer } = this;
    const { entries: { rows, cols }, pinned } = explorer;
    const now = pinned && pinned.kind === 'm' ? pinned : null;
    const step = event.key === 'Enter' || event.key === ' ' ? [0, 0]
      : ARROWS[event.key];
    if (event.key === 'Escape') {
      explorer.pin(null);
    } else if (step) {
      explorer.transport.stop();
      explorer.pin({
        kind: 'm', row: now ? bound(now.row + step[0], rows) : 0,
        col: now ? bound(now.col + step[1], cols) : 0,
      }, true);
    } else {
      return;
    }
    event.preventDefault();
    explorer.announce();
  }

  aim({ stamp, cell }, jump) {
    const { cw, ch, top, wide, high } = this.geometry;
    this.glides.column.send(stamp === null ? null
      : [stamp * cw, top, cw, high], jump);
    this.glides.row.send(cell === null ? null
      : [0, top + cell * ch, wide, ch], jump);
  }

  paint(c, pale) {
    const { entries, palette, shades, state, X, K, Y,
      cols } = this.explorer;
    const { cw, ch, top, wide, high } = this.geometry;
    const linesBelow = (step) => { // every so many rows
      for (let n = step; n < entries.rows; n += step) {
        c.moveTo(0, top + n * ch);
        c.lineTo(wide, top + n * ch);
      }
    };
    const linesBeside = (step) => { // every so many columns
      for (let n = step; n < entries.cols; n += step) {
        c.moveTo(n * cw, top);
        c.lineTo(n * cw, top + high);
      }
    };
    c.fillStyle = palette.soft;
    c.fillRect(0, top, wide, high);
    c.lineWidth = 0.5;
    c.strokeStyle = palette.line;
    if (ch >= 7) { // cell lines
      c.beginPath();
      linesBelow(1);
      linesBeside(1);
      c.stroke();
    }
    // Thin rows share pixels: the strongest entry of a pixel wins.
    const pixel = Math.min(1, 1 / (devicePixelRatio || 1));
    const order = Array.from(entries.row.keys());
    if (ch < pixel) {
      order.sort((a, b) => Math.abs(K[entries.tap[a]]) -
        Math.abs(K[entries.tap[b]]));
    }
    const tall = Math.max(ch, pixel);
    for (const e of order) {
      c.fillStyle = shades.k.fill(K[entries.tap[e]], pale);
      c.fillRect(entries.col[e] * cw, top + entries.row[e] * ch,
        Math.max(cw, 0.6), tall);
    }
    // Blocks: the rows of the input and of the output.
    c.strokeStyle = palette.strong;
    c.globalAlpha = 0.5;
    c.beginPath();
    if (cw * state.w >= 6) linesBeside(state.w);
    if (ch * cols >= 6) linesBelow(cols);
    c.stroke();
    c.globalAlpha = 1;
    // The input as a row above, the output as a column to the right.
    const right = wide + GAP;
    for (let x = 0; x < entries.cols; x++) {
      c.fillStyle = shades.x.fill(X[x]);
      c.fillRect(x * cw, 0, cw + 0.3, EDGE);
    }
    for (let y = 0; y < entries.rows; y++) {
      c.fillStyle = shades.y.fill(Y[y]);
      c.fillRect(right, top + y * ch, EDGE, tall + 0.3);
    }
    c.lineWidth = 1;
    c.strokeStyle = palette.x;
    c.strokeRect(0.5, 0.5, wide - 1, EDGE - 1);
    c.strokeStyle = palette.y;
    c.strokeRect(right + 0.5, top + 0.5, EDGE - 1, high - 1);
    c.strokeStyle = palette.strong;
    c.strokeRect(0.5, top + 0.5, wide - 1, high - 1);
  }

  paintFocus(c) {
    const { lit: { focus }, palette, entries } = this.explorer;
    const { board } = this;
    const { cw, ch, top, wide } = this.geometry;
    if (!focus) return;
    board.fade(c);
    if (focus.kind === 'k') {
      c.fillStyle = palette.k;
      for (let e = 0; e < entries.tap.length; e++) {
        if (entries.tap[e] !== focus.at) continue;
        const at = [entries.col[e] * cw, top + entries.row[e] * ch,
          Math.max(cw, 1), Math.max(ch, 1)];
        if (ch < 6) c.fillRect(...at);
        else { board.copy(c, ...at); outline(c, at, palette.k, 1.5); }
      }
      return;
    }
    const column = this.glides.column.at;
    const row = this.glides.row.at;
    if (column) board.copy(c, ...column);
    if (row) {
      const [x, y, width, height] = row;
      const tall = Math.max(height, 2);
      board.copy(c, x, y - (tall - height) / 2, width, tall);
    }
    if (column) {
      const [x, y, width, height] = column;
      outline(c, [x - 0.5, y, width + 1, height], palette.x, 2);
      outline(c, [x - 0.5, 1, width + 1, EDGE - 2], palette.x, 2);
    }
    if (row) {
      const [x, y, width, height] = row;
      const grow = Math.max(0, 3 - height) / 2;
      outline(c, [x, y - grow - 0.5, width, height + 2 * grow + 1],
        palette.y, 2);
      outline(c, [wide + GAP + 1, y - grow - 0.5, EDGE - 2,
        height + 2 * grow + 1], palette.y, 2);
    }
  }
}
