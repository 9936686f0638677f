/* Transposed convolution in plain arithmetic: no page, no drawing.
 *
 * One channel, one image. A state holds the integers
 *   h, w  height and width of the input      s  stride
 *   k     height and width of the kernel     p  padding
 *   a     output padding (extra rows and columns at the bottom and right)
 * Grids are flat arrays in row order.
 */

/** Cells along one side of the output. */
function outputSize(i, k, s, p, a) {
  return s * (i - 1) + k - 2 * p + a;
}

function sizes(state) {
  const { h, w, k, s, p, a } = state;
  return [outputSize(h, k, s, p, a), outputSize(w, k, s, p, a)];
}

// --------------------------------------------- the operation, three ways

/** Scatter: each input cell adds its multiple of the kernel.
 *
 * `count` input cells in row order take part (all by default). */
function scatter(X, K, state, count = Infinity) {
  const { h, w, k, s, p } = state;
  const [rows, cols] = sizes(state);
  const Y = new Float64Array(rows * cols);
  const last = Math.min(count, h * w);
  for (let cell = 0; cell < last; cell++) {
    const top = s * Math.floor(cell / w) - p;
    const left = s * (cell % w) - p;
    for (let u = 0; u < k; u++) {
      const m = top + u;
      if (m < 0 || m >= rows) continue;
      for (let v = 0; v < k; v++) {
        const n = left + v;
        if (n < 0 || n >= cols) continue;
        Y[m * cols + n] += X[cell] * K[u * k + v];
      }
    }
  }
  return Y;
}

/** The whole board the stamps cover, before padding cuts its border.
 *
 * The output lies on it at (p, p); with a > p it sticks out at the bottom
 * and right, over cells that no stamp reaches. */
function stamped(X, K, state, count = Infinity) {
  const { h, w, k, s, p } = state;
  const [rows, cols] = sizes(state);
  const high = Math.max(outputSize(h, k, s, 0, 0), p + rows);
  const wide = Math.max(outputSize(w, k, s, 0, 0), p + cols);
  // The same stamps without padding, on a board of the wanted size.
  const all = scatter(X, K, { ...state, p: 0, a: 0 }, count);
  const inner = outputSize(w, k, s, 0, 0);
  const values = new Float64Array(high * wide);
  for (let i = 0; i < all.length; i++) {
    values[Math.floor(i / inner) * wide + i % inner] = all[i];
  }
  return { rows: high, cols: wide, values };
}

/** The input spread out: s - 1 zeros between cells, k - 1 - p around.
 *
 * `source` holds the input cell of each cell, -1 for an inserted zero
 * and -2 for a zero of the border. */
function spread(X, state) {
  const { h, w, k, s, p } = state;
  const [outRows, outCols] = sizes(state);
  const rows = outRows + k - 1;
  const cols = outCols + k - 1;
  const margin = k - 1 - p;
  const values = new Float64Array(rows * cols);
  const source = new Int16Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const i = r - margin;
      const j = c - margin;
      const at = r * cols + c;
      if (i < 0 || j < 0 || i > s * (h - 1) || j > s * (w - 1)) {
        source[at] = -2;
      } else if (i % s || j % s) {
        source[at] = -1;
      } else {
        source[at] = (i / s) * w + j / s;
        values[at] = X[source[at]];
      }
    }
  }
  return { rows, cols, values, source, margin };
}

/** The kernel turned by half a circle. */
function turned(K) {
  return Array.from(K).reverse();
}

/** Gather: an ordinary convolution, stride 1, over the spread input. */
function gather(X, K, state) {
  const { k } = state;
  const [rows, cols] = sizes(state);
  const wide = spread(X, state);
  const T = turned(K);
  const Y = new Float64Array(rows * cols);
  for (let m = 0; m < rows; m++) {
    for (let n = 0; n < cols; n++) {
      let sum = 0;
      for (let u = 0; u < k; u++) {
        for (let v = 0; v < k; v++) {
          sum += T[u * k + v] * wide.values[(m + u) * wide.cols + n + v];
        }
      }
      Y[m * cols + n] = sum;
    }
  }
  return Y;
}

/** The entries of the transposed matrix that hold a kernel cell.
 *
 * Four arrays of one length: row (output cell), col (input cell), tap
 * (kernel cell), in the order of the input cells. */
function matrixEntries(state) {
  const { h, w, k, s, p } = state;
  const [rows, cols] = sizes(state);
  const row = [];
  const col = [];
  const tap = [];
  for (let cell = 0; cell < h * w; cell++) {
    const top = s * Math.floor(cell / w) - p;
    const left = s * (cell % w) - p;
    for (let t = 0; t < k * k; t++) {
      const m = top + Math.floor(t / k);
      const n = left + t % k;
      if (m < 0 || n < 0 || m >= rows || n >= cols) continue;
      row.push(m * cols + n);
      col.push(cell);
      tap.push(t);
    }
  }
  return { row, col, tap, rows: rows * cols, cols: h * w };
}

/** Matrix: the transposed matrix times the input as one column. */
function multiply(X, K, state) {
  const matrix = matrixEntries(state);
  const Y = new Float64Array(matrix.rows);
  for (let e = 0; e < matrix.row.length; e++) {
    Y[matrix.row[e]] += K[matrix.tap[e]] * X[matrix.col[e]];
  }
  return Y;
}

/** The products that make up output cell (m, n): [{cell, tap}]. */
function terms(m, n, state) {
  const { h, w, k, s, p } = state;
  const found = [];
  for (let i = 0; i < h; i++) {
    const u = m + p - s * i;
    if (u < 0 || u >= k) continue;
    for (let j = 0; j < w; j++) {
      const v = n + p - s * j;
      if (v >= 0 && v < k) found.push({ cell: i * w + j, tap: u * k + v });
    }
  }
  return found;
}

// ------------------------------------------------------------- overlap

/** One layer of ones along one side, on any signal. */
function onesLayer(signal, { k, s, p, a }) {
  const size = outputSize(signal.length, k, s, p, a);
  const out = new Array(Math.max(size, 0)).fill(0);
  signal.forEach((value, cell) => {
    for (let u = 0; u < k; u++) {
      const m = s * cell + u - p;
      if (m >= 0 && m < out.length) out[m] += value;
    }
  });
  return out;
}

/** Paths from input to each output cell along one side, layer by layer. */
function paths(i, state, layers) {
  let signal = new Array(i).fill(1);
  for (let l = 0; l < layers; l++) signal = onesLayer(signal, state);
  return signal;
}

/** Least and most of what ones become, away from every border, after so
 * many layers with the kernel K; without one, the paths to a cell. */
function inside({ k, s }, layers, K = new Array(k * k).fill(1)) {
  // So many input cells that a whole period of the output sees no border.
  const side = Math.ceil(((s + 1) * (k - 1) + s * s) / (s * s)) + 1;
  let from = 0;
  let to = side - 1; // the first and the last of the cells that see none
  let at = { k, s, p: 0, a: 0, h: side, w: side };
  let values = new Float64Array(side * side).fill(1);
  for (let l = 0; l < layers; l++) {
    values = scatter(values, K, at);
    [from, to] = [s * from + k - 1, s * to];
    [at.h, at.w] = sizes(at);
  }
  let least = Infinity;
  let most = -Infinity;
  for (let m = from; m <= to; m++) {
    for (let n = from; n <= to; n++) {
      least = Math.min(least, values[m * at.w + n]);
      most = Math.max(most, values[m * at.w + n]);
    }
  }
  return [least, most];
}

/** What the kernel makes of ones away from the border: {same, text}. */
function ofOnes(state, K) {
  const [least, most] = inside(state, 1, K);
  const same = nearlyEqual(least, most);
  const values = same ? `${number(least, 2)} everywhere`
    : `${number(least, 2)} to ${number(most, 2)}`;
  return { same, text: `ones become ${values}` };
}

function nearlyEqual(one, other) {
  return Math.abs(one - other) <= 1e-6 * Math.max(1, Math.abs(other));
}

/** The rule behind the picture: {kind, text}.
 *
 * The sizes decide how many stamps overlap; what comes out of ones is up to
 * the weights of K, too. */
function overlapRule(state, K) {
  const { k, s } = state;
  const [low, high] = inside(state, 1);
  const stamps = (n) => `${n} ${n === 1 ? 'stamp' : 'stamps'}`;
  const even = k % s === 0;
  const kind = even ? 'even' : k < s ? 'gaps' : 'uneven';
  const sentences = even ? [
    `The kernel (${k}) is divisible by the stride (${s}): away from the ` +
      `border every output cell gets ${stamps(low)}.`,
  ] : [
    `The kernel (${k}) is not divisible by the stride (${s}): away from ` +
      `the border cells get between ${low} and ${stamps(high)}.`,
    k < s ? 'The stride exceeds the kernel, so some cells get nothing.'
      : 'With equal weights that is the checkerboard.',
  ];
  if (K.some((weight) => weight !== K[0])) {
    const { same, text } = ofOnes(state, K);
    const does = even
      ? same ? 'makes no checkerboard' : 'makes a checkerboard after all'
      : same ? 'evens it out' : 'does not even it out';
    sentences.push(`This kernel ${does}: ${text}.`);
  }
  return { kind, text: sentences.join(' ') };
}
