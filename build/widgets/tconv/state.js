/* The state: what is a valid layer, the presets, and the text of an address.
 *
 * Beside the integers of arithmetic.js a state holds
 *   input, kernel  {preset}, or {preset: 'edited', values}; a kernel's seed
 *   two            whether the overlap shows a second layer
 */

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

// ------------------------------------------------------------ validity

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

// ------------------------------------------------------------- values

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

function gridOf(rows, cols, value) {
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
  if (name === 'ones') return gridOf(k, k, () => 1);
  if (name === 'bilinear') {
    const side = triangle(k);
    return gridOf(k, k, (u, v) => side[u] * side[v]);
  }
  if (name === 'random') {
    const next = generator(seed);
    return gridOf(k, k, () => Math.round((2 * next() - 1) * 10) / 10 || 0);
  }
  if (name === 'edge') { // left against right
    const middle = (k - 1) / 2;
    return gridOf(k, k, (u, v) => k === 1 ? 1 : Math.sign(v - middle));
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
  return gridOf(h, w, rules[name]);
}

/** Edited cells on a grid of another size: what fits stays, rest 0. */
function resize(values, rows, cols, newRows, newCols) {
  return gridOf(newRows, newCols, (i, j) =>
    i < rows && j < cols ? values[i * cols + j] : 0);
}

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

/** The input cell nearest the middle that is not 0, if there is one. */
function middleCell(state) {
  const { h, w } = state;
  const X = inputValues(state);
  const [i, j] = [Math.floor((h - 1) / 2), Math.floor((w - 1) / 2)];
  let best = i * w + j;
  let least = Infinity;
  X.forEach((value, at) => {
    const far = Math.hypot(Math.floor(at / w) - i, at % w - j);
    if (value && far < least) [best, least] = [at, far];
  });
  return best;
}

/** The state with a part changed; edited cells follow the size. */
function changed(before, part) {
  const state = { ...before, ...part };
  const { h, w, k, input, kernel } = before;
  if (input.values && state.input === input &&
      (state.h !== h || state.w !== w)) {
    state.input = { preset: 'edited',
      values: resize(input.values, h, w, state.h, state.w) };
  }
  if (kernel.values && state.kernel === kernel && state.k !== k) {
    state.kernel = { ...kernel,
      values: resize(kernel.values, k, k, state.k, state.k) };
  }
  return state;
}

// ------------------------------------------------ state in the address

function shorten(value) {
  return String(Math.round(value * 1e6) / 1e6 || 0);
}

/** The state as the text behind the # of an address. */
function encode(state) {
  const parts = KEYS.map((key) => `${key}=${state[key]}`);
  const { input, kernel } = state;
  if (input.values) {
    parts.push(`in=${Array.from(input.values, shorten).join(',')}`);
  } else if (input.preset !== START.input.preset) {
    parts.push(`in=${input.preset}`);
  }
  if (kernel.values) {
    parts.push(`ker=${Array.from(kernel.values, shorten).join(',')}`);
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

/** The preset that a word names; null if the text lists numbers. */
function readPreset(text, presets, what) {
  if (presets.includes(text)) return text;
  if (/^[a-z<]/i.test(text) && !text.includes(',')) {
    throw new RangeError(`the ${what} “${text}” is unknown: ` +
      `${presets.join(', ')}, or numbers row by row`);
  }
  return null;
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
    const strange = Object.keys(fields).find((key) =>
      ![...KEYS, 'in', 'ker', 'two'].includes(key));
    if (strange) {
      throw new RangeError(`it holds “${strange}”, which means nothing here`);
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
      const preset = readPreset(fields.in, INPUTS, 'input');
      state.input = preset ? { preset }
        : {
          preset: 'edited',
          values: readCells(fields.in, state.h * state.w, 'input'),
        };
    }
    if ('ker' in fields) {
      const random = /^random:(\d{1,9})$/.exec(fields.ker);
      const preset = random ? 'random'
        : readPreset(fields.ker, KERNELS, 'kernel');
      if (preset) {
        state.kernel = { preset, seed: Number(random ? random[1] : 1) };
      } else {
        state.kernel = {
          preset: 'edited', seed: 1,
          values: readCells(fields.ker, state.k * state.k, 'kernel'),
        };
      }
    }
    if (!['0', '1'].includes(fields.two ?? '1')) {
      throw new RangeError('a second layer is two=1 or two=0');
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
