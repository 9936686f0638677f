/* What the views draw with: canvases with a kept picture, frames that glide,
 * cells with their numbers. */

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, Arial, ' +
  'sans-serif';

/** A rectangle that glides to where it is sent. */
class Glide {
  constructor() { this.at = null; this.to = null; }

  send(rect, jump) {
    if (!rect) { this.at = this.to = null; return; }
    this.to = rect;
    if (!this.at || jump) this.at = rect.slice();
  }

  /** One frame of `ms`; true if it moved, so must be drawn. */
  move(ms) {
    if (!this.at) return false;
    const t = 1 - Math.exp(-ms / 45);
    let far = 0;
    for (let n = 0; n < 4; n++) {
      const gap = this.to[n] - this.at[n];
      far = Math.max(far, Math.abs(gap));
      this.at[n] += gap * t;
    }
    if (far < 0.3) this.at = this.to.slice();
    return far > 0;
  }
}

/** A canvas with a kept base picture and a light overlay. */
class Board {
  constructor(paintBase, paintOver) {
    this.canvas = el('canvas');
    this.base = document.createElement('canvas');
    this.paintBase = paintBase;
    this.paintOver = paintOver;
    this.stale = true; // the base must be painted again
    this.dirty = true; // the overlay must be painted again
    this.width = 10;
    this.height = 10;
  }

  size(width, height) {
    this.width = width;
    this.height = height;
    this.stale = true;
  }

  paint() {
    if (!this.stale && !this.dirty) return;
    const context = sized(this.canvas, this.width, this.height);
    if (this.stale) {
      const base = sized(this.base, this.width, this.height);
      base.clearRect(0, 0, this.width, this.height);
      this.paintBase(base, false);
      this.paleStale = true;
    }
    context.clearRect(0, 0, this.width, this.height);
    this.copy(context, 0, 0, this.width, this.height);
    this.paintOver(context);
    this.stale = this.dirty = false;
  }

  /** Put the pale picture on the canvas, for what is not pointed at. */
  fade(context) {
    if (this.paleStale) {
      this.pale = this.pale || document.createElement('canvas');
      const base = sized(this.pale, this.width, this.height);
      base.clearRect(0, 0, this.width, this.height);
      this.paintBase(base, true);
      this.paleStale = false;
    }
    context.clearRect(0, 0, this.width, this.height);
    context.drawImage(this.pale, 0, 0, this.width, this.height);
  }

  /** Copy a piece of the base to the canvas. */
  copy(context, x, y, width, height) {
    const ratio = this.base.width / this.width;
    if (width <= 0 || height <= 0) return;
    context.drawImage(this.base, x * ratio, y * ratio, width * ratio,
      height * ratio, x, y, width, height);
  }
}

/** A number as exact as a cell has room for, and its font size.
 *
 * Rather none than one that is more than 5 % off. */
function cellText(value, cell) {
  const largest = Math.min(cell * 0.42, 15);
  for (const digits of [4, 3, 2, 1, 0]) {
    const off = Math.abs(Number(value.toFixed(digits)) - value);
    if (digits < 4 && off > 0.05 * Math.abs(value)) break;
    const text = number(value, digits);
    const size = Math.min(largest, (cell - 5) / (text.length * 0.56));
    if (size >= (digits > 2 ? 11 : digits ? 9 : 7.5)) return [text, size];
  }
  return ['', 0];
}

function outline(context, [x, y, width, height], colour, line = 2.5) {
  context.lineWidth = line;
  context.strokeStyle = colour;
  context.strokeRect(x, y, width, height);
}

/** The largest cell, up to `top` pixels, with which a grid has room. */
function fit(rows, cols, wide, high, top = 40) {
  const cell = Math.min(wide / cols, high / rows, top);
  return cell >= 8 ? Math.floor(cell) : Math.floor(cell * 4) / 4;
}

/** Cells of a grid, with their numbers where they fit; hide(row, column, at)
 * leaves cells out. */
function paintCells(c, pale, { rows, cols, values }, cell, shades,
  hide = () => false) {
  const eachCell = (paint) => {
    for (let r = 0; r < rows; r++) {
      for (let q = 0; q < cols; q++) {
        const at = r * cols + q;
        if (!hide(r, q, at)) paint(r, q, values[at]);
      }
    }
  };
  eachCell((r, q, value) => {
    c.fillStyle = shades.fill(value, pale);
    c.fillRect(q * cell, r * cell, cell + 0.3, cell + 0.3);
  });
  if (cell >= 6) {
    c.strokeStyle = shades.palette.line;
    c.lineWidth = cell >= 14 ? 1 : 0.5;
    c.beginPath();
    for (let r = 0; r <= rows; r++) {
      const y = Math.min(Math.max(r * cell, 0.5), rows * cell - 0.5);
      c.moveTo(0, y);
      c.lineTo(cols * cell, y);
    }
    for (let q = 0; q <= cols; q++) {
      const x = Math.min(Math.max(q * cell, 0.5), cols * cell - 0.5);
      c.moveTo(x, 0);
      c.lineTo(x, rows * cell);
    }
    c.stroke();
  }
  if (cell < 19) return;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  let lastSize = 0; // setting a font is slow
  eachCell((r, q, value) => {
    const [text, size] = cellText(value, cell);
    if (!text) return;
    if (size !== lastSize) {
      c.font = `${size}px ${FONT}`;
      lastSize = size;
    }
    c.fillStyle = shades.text(value, pale);
    c.fillText(text, (q + 0.5) * cell, (r + 0.53) * cell);
  });
}
