/* What layers with holes see, without a page; and the text of an address.
 *
 * A state is {k, rates, strides, look}: the kernel, a rate and a stride for
 * each layer, the layer next to the photo first, and the output pointed at.
 */

const LAYERS = 4;
const LIMITS = { k: [1, 5], rate: [1, 9], stride: [1, 3] };
const MOST = 63; // pixels in a row
const OUTPUTS = 5; // at most so many are drawn
const START = Object.freeze({
  k: 3, rates: [2, 2, 2], strides: [1, 1, 1], look: 0,
});

/** For each layer of numbers, the photo first: {size, step}: how many pixels
 * a number's field spans, and how far its neighbour's lies. */
function fields({ k, rates, strides }) {
  const found = [{ size: 1, step: 1 }];
  rates.forEach((rate, i) => {
    const { size, step } = found[i];
    found.push({ size: size + (k - 1) * rate * step,
      step: step * strides[i] });
  });
  return found;
}

/** On how many ways output `look` reaches the numbers of each layer:
 * an array of maps from place to count, the photo first. */
function ways({ k, rates, strides }, look) {
  let here = new Map([[look, 1]]);
  const found = [here];
  for (let i = rates.length - 1; i >= 0; i--) {
    const below = new Map();
    for (const [m, count] of here) {
      for (let tap = 0; tap < k; tap++) {
        const place = m * strides[i] + tap * rates[i];
        below.set(place, (below.get(place) || 0) + count);
      }
    }
    here = below;
    found.unshift(here);
  }
  return found;
}

/** How many outputs, and how many pixels they need. */
function extent(state) {
  const { size, step } = fields(state).at(-1);
  const outputs = Math.max(1, Math.min(OUTPUTS,
    Math.floor((MOST - size) / step) + 1));
  return { size, step, outputs, pixels: size + step * (outputs - 1) };
}

/** Why a state cannot be shown, in one sentence; null when it can. */
function refusal(state) {
  const { k, rates, strides } = state;
  const count = rates.length;
  if (count < 1 || count > LAYERS) {
    return `There are 1 to ${LAYERS} layers here, not ${count}.`;
  }
  if (strides.length !== count) {
    return `There are ${count} rates and ${strides.length} strides: each ` +
      'layer needs one of both.';
  }
  const all = [['k', k], ...rates.map((x) => ['rate', x]),
    ...strides.map((x) => ['stride', x])];
  for (const [key, value] of all) {
    const [low, high] = LIMITS[key];
    if (!Number.isInteger(value) || value < low || value > high) {
      const name = key === 'k' ? 'kernel' : key;
      return `The ${name} ${value} is refused: it is a whole number from ` +
        `${low} to ${high} here.`;
    }
  }
  const { size } = extent(state);
  if (size > MOST) {
    return `The field would span ${size} pixels, and ${MOST} is the most ` +
      'that is drawn here: take a smaller rate, kernel or stride.';
  }
  return null;
}

/** How many pixels the output and its neighbour see, and share. */
function shared(state) {
  const seen = ways(state, 0)[0];
  const next = ways(state, 1)[0];
  const both = [...seen.keys()].filter((place) => next.has(place)).length;
  return { seen: seen.size, both };
}

// ------------------------------------------------- state in the address

/** The state as the text behind the # of an address. */
function encode({ k, rates, strides, look }) {
  return `k=${k}&rates=${rates.join(',')}&strides=${strides.join(',')}` +
    (look ? `&look=${look}` : '');
}

/** Whether the text behind a # speaks of a state at all. */
function speaks(hash) {
  return /(^|&)(rates|strides)=/.test(hash.replace(/^#/, ''));
}

/** {state} or {state: START, error} from the text behind a #. */
function decode(hash) {
  const state = { ...START };
  const wrong = (error) => ({ state: { ...START }, error });
  for (const part of hash.replace(/^#/, '').split('&').filter(Boolean)) {
    const [key, text = ''] = part.split('=');
    if (!(key in START)) return wrong(`“${key}” means nothing here.`);
    const numbers = text.split(',').map((one) =>
      /^-?\d+$/.test(one) ? Number(one) : NaN);
    if (numbers.some(Number.isNaN)) {
      return wrong(`“${part}” holds something that is no whole number.`);
    }
    const many = Array.isArray(START[key]);
    if (!many && numbers.length > 1) return wrong(`“${key}” is one number.`);
    state[key] = many ? numbers : numbers[0];
  }
  const reason = refusal(state);
  if (reason) return wrong(reason);
  if (state.look < 0 || state.look >= extent(state).outputs) {
    return wrong(`There is no output ${state.look}.`);
  }
  return { state };
}
