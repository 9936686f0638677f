/* Transposed convolution in plain arithmetic: no page, no drawing.
 *
 * One channel, one image. A state holds the integers
 *   h, w  height and width of the input      s  stride
 *   k     height and width of the kernel     p  padding
 *   a     output padding (extra rows and columns at the bottom and right)
 * Grids are flat arrays in row order. Everything hangs on `tconvMath`.
 */
(() => {
  'use strict';

  const LIMITS = {
    h: [1, 8], w: [1, 8], k: [1, 7], s: [1, 6], p: [0, 6], a: [0, 5],
  };
  const NAMES = {
    h: 'input height', w: 'input width', k: 'kernel size', s: 'stride',
    p: 'padding', a: 'output padding',
  };
  const KEYS = Object.keys(LIMITS);
  const INPUTS = ['ramp', 'one-hot', 'checker', 'letter', 'ones'];
  const KERNELS = ['ones', 'bilinear', 'random', 'edge'];
  const LARGEST = 999; // of an edited cell, either sign

  // ------------------------------------------------------------- sizes

  /** Cells along one side of the output. */
  function outputSize(i, k, s, p, a) {
    return s * (i - 1) + k - 2 * p + a;
  }

  /** The largest padding that leaves a valid layer. */
  function largestPadding({ h, w, k, s, a }) {
    const room = s * (Math.min(h, w) - 1) + k + a - 1;
    return Math.min(k - 1, Math.floor(room / 2), LIMITS.p[1]);
  }

  /** Why a state is no valid layer, in one sentence; null when it is. */
  function refusal(state) {
    for (const key of KEYS) {
      const [low, high] = LIMITS[key];
      const value = state[key];
      if (!Number.isInteger(value)) {
        return `The ${NAMES[key]} must be a whole number.`;
      }
      if (value < low || value > high) {
        return `The ${NAMES[key]} ${value} is refused: ` +
          `it goes from ${low} to ${high} here.`;
      }
    }
    const { h, w, k, s, p, a } = state;
    if (a >= s) {
      return `Output padding ${a} is refused: it must stay below the ` +
        `stride, which is ${s}.`;
    }
    if (p > k - 1) {
      return `Padding ${p} is refused: a ${k} × ${k} kernel reaches ` +
        `${k - 1} ${k === 2 ? 'cell' : 'cells'} past its corner, so more ` +
        'padding would cut off whole input cells.';
    }
    const least = outputSize(Math.min(h, w), k, s, p, a);
    if (least < 1) {
      return `Padding ${p} is refused: it would leave an output of size ` +
        `${least}.`;
    }
    return null;
  }

  /** A valid state near the wanted one: only a and p give way.
   *
   * Returns {state, notes}: the notes say what had to give way and why. */
  function settle(wanted) {
    const state = { ...wanted };
    const notes = [];
    if (state.a >= state.s) {
      state.a = state.s - 1;
      notes.push(`Output padding went down to ${state.a}: it must stay ` +
        'below the stride.');
    }
    const most = largestPadding(state);
    if (state.p > most) {
      state.p = most;
      notes.push(`Padding went down to ${most}: more would ` +
        (most === state.k - 1 ? 'cut off whole input cells.'
          : 'leave no output.'));
    }
    return { state, notes };
  }

  // ------------------------------------------- the operation, three ways

  function sizes(state) {
    const { h, w, k, s, p, a } = state;
    return [outputSize(h, k, s, p, a), outputSize(w, k, s, p, a)];
  }

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
  function board(X, K, state, count = Infinity) {
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
  function entries(state) {
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
    const matrix = entries(state);
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

  // ----------------------------------------------------------- overlap

  /** How many stamps reach each cell of one side of the output. */
  function coverage(i, { k, s, p, a }) {
    const counts = new Array(outputSize(i, k, s, p, a)).fill(0);
    for (let cell = 0; cell < i; cell++) {
      for (let u = 0; u < k; u++) {
        const m = s * cell + u - p;
        if (m >= 0 && m < counts.length) counts[m] += 1;
      }
    }
    return counts;
  }

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

  /** Fewest and most paths to a cell far from every border (squared: 2-D). */
  function inside({ k, s }, layers) {
    const far = { k, s, p: 0, a: 0 };
    const reach = paths(40, far, layers);
    const middle = reach.slice(Math.floor(reach.length * 0.4),
      Math.ceil(reach.length * 0.6));
    return [Math.min(...middle) ** 2, Math.max(...middle) ** 2];
  }

  /** The rule behind the picture: {kind, text}. */
  function overlapRule({ k, s }) {
    const [low, high] = inside({ k, s }, 1);
    const stamps = (n) => `${n} ${n === 1 ? 'stamp' : 'stamps'}`;
    if (k % s === 0) {
      return {
        kind: 'even',
        text: `The kernel (${k}) is divisible by the stride (${s}): away ` +
          `from the border every output cell gets ${stamps(low)}.`,
      };
    }
    const gaps = k < s;
    return {
      kind: gaps ? 'gaps' : 'uneven',
      text: `The kernel (${k}) is not divisible by the stride (${s}): ` +
        `away from the border cells get between ${low} and ` +
        `${stamps(high)}. ` + (gaps
        ? 'The stride exceeds the kernel, so some cells get nothing.'
        : 'That is the checkerboard.'),
    };
  }

  // ----------------------------------------------------------- presets

  /** Pseudo-random numbers in [0, 1), the same for the same seed. */
  function generator(seed) {
    let t = seed >>> 0;
    return () => {
      t = (t + 0x6d2b79f5) >>> 0;
      let r = Math.imul(t ^ (t >>> 15), t | 1);
      r ^= r + Math.imul(r ^ (r >>> 7), r | 61);
      return ((r ^ (r >>> 14)) >>> 0) / 4294967296;
    };
  }

  function fill(rows, cols, value) {
    const grid = new Float64Array(rows * cols);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) grid[i * cols + j] = value(i, j);
    }
    return grid;
  }

  /** The triangle whose outer product with itself is the bilinear kernel. */
  function triangle(k) {
    const factor = Math.floor((k + 1) / 2);
    const centre = k % 2 ? factor - 1 : factor - 0.5;
    return Array.from({ length: k },
      (_, u) => 1 - Math.abs(u - centre) / factor);
  }

  function kernelPreset(name, k, seed = 1) {
    if (name === 'ones') return fill(k, k, () => 1);
    if (name === 'bilinear') {
      const side = triangle(k);
      return fill(k, k, (u, v) => side[u] * side[v]);
    }
    if (name === 'random') {
      const next = generator(seed);
      return fill(k, k, () => Math.round((2 * next() - 1) * 10) / 10 || 0);
    }
    if (name === 'edge') { // left against right
      const middle = (k - 1) / 2;
      return fill(k, k, (u, v) => k === 1 ? 1 : Math.sign(v - middle));
    }
    throw new RangeError(`no kernel preset ${name}`);
  }

  function inputPreset(name, h, w) {
    const middle = [Math.floor((h - 1) / 2), Math.floor((w - 1) / 2)];
    const rules = {
      'ramp': (i, j) => i + j,
      'one-hot': (i, j) => Number(i === middle[0] && j === middle[1]),
      'checker': (i, j) => (i + j + 1) % 2,
      // F: the same in no mirror
      'letter': (i, j) => Number(j === 0 || i === 0 ||
        (i === Math.floor(h / 2) && j < Math.max(w - 1, 2))),
      'ones': () => 1,
    };
    if (!rules[name]) throw new RangeError(`no input preset ${name}`);
    return fill(h, w, rules[name]);
  }

  /** Edited cells on a grid of another size: what fits stays, rest 0. */
  function resize(values, rows, cols, newRows, newCols) {
    return fill(newRows, newCols, (i, j) =>
      i < rows && j < cols ? values[i * cols + j] : 0);
  }

  // ----------------------------------------------- state in the address

  const START = Object.freeze({
    h: 3, w: 4, k: 3, s: 2, p: 0, a: 0,
    input: Object.freeze({ preset: 'ramp' }),
    kernel: Object.freeze({ preset: 'bilinear', seed: 1 }),
    two: true,
  });

  function inputValues(state) {
    return state.input.values ||
      inputPreset(state.input.preset, state.h, state.w);
  }

  function kernelValues(state) {
    return state.kernel.values ||
      kernelPreset(state.kernel.preset, state.k, state.kernel.seed);
  }

  function short(value) {
    return String(Math.round(value * 1e6) / 1e6 || 0);
  }

  /** The state as the text behind the # of an address. */
  function encode(state) {
    const parts = KEYS.map((key) => `${key}=${state[key]}`);
    const { input, kernel } = state;
    if (input.values) {
      parts.push(`in=${Array.from(input.values, short).join(',')}`);
    } else if (input.preset !== START.input.preset) {
      parts.push(`in=${input.preset}`);
    }
    if (kernel.values) {
      parts.push(`ker=${Array.from(kernel.values, short).join(',')}`);
    } else if (kernel.preset === 'random') {
      parts.push(`ker=random:${kernel.seed}`);
    } else if (kernel.preset !== START.kernel.preset) {
      parts.push(`ker=${kernel.preset}`);
    }
    if (!state.two) parts.push('two=0');
    return parts.join('&');
  }

  function readCells(text, count, what) {
    const cells = text.split(',').map((part) =>
      /^[+-]?(\d+\.?\d*|\.\d+)$/.test(part) ? Number(part) : NaN);
    if (cells.length !== count) {
      throw new RangeError(`the ${what} lists ${cells.length} ` +
        `${cells.length === 1 ? 'value' : 'values'}, not ${count}`);
    }
    cells.forEach((value, at) => {
      if (Number.isNaN(value)) {
        throw new RangeError(`value ${at + 1} of the ${what} is no number`);
      }
      if (Math.abs(value) > LARGEST) {
        throw new RangeError(`value ${at + 1} of the ${what} is beyond ` +
          `±${LARGEST}`);
      }
    });
    return Float64Array.from(cells);
  }

  /** Whether the text behind a # speaks of a state at all. */
  function speaks(hash) {
    return /(^|&)(h|w|k|s|p|a|in|ker)=/.test(hash.replace(/^#/, ''));
  }

  /** {state} or {state: START, error} from the text behind a #. */
  function decode(hash) {
    const state = { ...START };
    try {
      const fields = {};
      for (const part of hash.replace(/^#/, '').split('&')) {
        const cut = part.indexOf('=');
        if (cut > 0) {
          fields[part.slice(0, cut)] = decodeURIComponent(part.slice(cut + 1));
        }
      }
      for (const key of KEYS) {
        if (!(key in fields)) continue;
        if (!/^-?\d+$/.test(fields[key])) {
          throw new RangeError(`the ${NAMES[key]} “${fields[key]}” is no ` +
            'whole number');
        }
        state[key] = Number(fields[key]);
      }
      const reason = refusal(state);
      if (reason) throw new RangeError(reason);
      if ('in' in fields) {
        state.input = INPUTS.includes(fields.in) ? { preset: fields.in }
          : {
            preset: 'edited',
            values: readCells(fields.in, state.h * state.w, 'input'),
          };
      }
      if ('ker' in fields) {
        const random = /^random(?::(\d{1,9}))?$/.exec(fields.ker);
        if (random) {
          state.kernel = { preset: 'random', seed: Number(random[1] || 1) };
        } else if (KERNELS.includes(fields.ker)) {
          state.kernel = { preset: fields.ker, seed: 1 };
        } else {
          state.kernel = {
            preset: 'edited', seed: 1,
            values: readCells(fields.ker, state.k * state.k, 'kernel'),
          };
        }
      }
      state.two = fields.two !== '0';
      return { state };
    } catch (error) {
      const text = error instanceof URIError
        ? 'it is not readable' : error.message.replace(/\.$/, '');
      return { state: { ...START }, error: text };
    }
  }

  /** The line of Gluon that makes the layer. */
  function gluon({ k, s, p, a }) {
    return `nn.Conv2DTranspose(1, kernel_size=${k}, strides=${s}, ` +
      `padding=${p}, output_padding=${a})`;
  }

  globalThis.tconvMath = {
    LIMITS, NAMES, KEYS, INPUTS, KERNELS, LARGEST, START,
    outputSize, sizes, largestPadding, refusal, settle,
    scatter, board, spread, turned, gather, entries, multiply, terms,
    coverage, onesLayer, paths, inside, overlapRule,
    triangle, kernelPreset, inputPreset, resize, inputValues, kernelValues,
    encode, decode, speaks, gluon,
  };
})();
