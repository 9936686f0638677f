/* A fully connected CRF by mean field, without a page. It computes what the
 * chapter's `refine` computes; maps are rows of numbers, a row a label.
 */

/** The corners of the simplex around each of n points with d coordinates,
 * as keys, their weights, and what a step along each axis adds to a key. */
function corners(points, n, d) {
  const low = new Array(d).fill(Infinity);
  const high = new Array(d).fill(-Infinity);
  for (let at = 0; at < n * d; at++) {
    low[at % d] = Math.min(low[at % d], points[at]);
    high[at % d] = Math.max(high[at % d], points[at]);
  }
  const steps = [1];
  for (let k = 0; k < d; k++) {
    steps.push(steps[k] * (Math.floor(high[k] - low[k]) + 6));
  }
  const keys = new Float64Array(n * (d + 1));
  const weights = new Float32Array(n * (d + 1));
  const parts = new Array(d);
  const axes = Array.from({ length: d }, (_, k) => k);
  for (let i = 0; i < n; i++) {
    let key = 0;
    for (let k = 0; k < d; k++) {
      const x = points[i * d + k] - low[k] + 2;
      key += Math.floor(x) * steps[k];
      parts[k] = x - Math.floor(x);
    }
    axes.sort((a, b) => parts[b] - parts[a]);
    let before = 1;
    for (let k = 0; k <= d; k++) {
      const next = k < d ? parts[axes[k]] : 0;
      keys[i * (d + 1) + k] = key;
      weights[i * (d + 1) + k] = before - next;
      if (k < d) key += steps[axes[k]];
      before = next;
    }
  }
  return { keys, weights, steps: steps.slice(0, d) };
}

/** A function that adds maps up with Gaussian weights, nearly: splat, blur,
 * slice. `features`: n times d numbers, in standard deviations. */
function lattice(features, n, d) {
  const lean = (Math.sqrt(d + 1) - 1) / d;
  const points = new Float64Array(n * d);
  for (let i = 0; i < n; i++) {
    let sum = 0;
    for (let k = 0; k < d; k++) sum += features[i * d + k];
    for (let k = 0; k < d; k++) {
      points[i * d + k] = Math.sqrt(2 / 3) *
        (features[i * d + k] + lean * sum);
    }
  }
  const { keys, weights, steps } = corners(points, n, d);
  const known = new Map();
  const index = new Int32Array(keys.length);
  for (let at = 0; at < keys.length; at++) {
    let found = known.get(keys[at]);
    if (found === undefined) known.set(keys[at], found = known.size);
    index[at] = found;
  }
  const size = known.size; // the last point, one more, stays 0
  const ways = [...steps, steps.reduce((sum, step) => sum + step, 0)];
  const around = ways.map((step) => {
    const pairs = new Int32Array(2 * size);
    for (const [key, at] of known) {
      pairs[2 * at] = known.get(key - step) ?? size;
      pairs[2 * at + 1] = known.get(key + step) ?? size;
    }
    return pairs;
  });
  return (maps) => maps.map((map) => {
    let now = new Float32Array(size + 1);
    let next = new Float32Array(size + 1);
    for (let i = 0, at = 0; i < n; i++) {
      for (let k = 0; k <= d; k++, at++) now[index[at]] += weights[at] * map[i];
    }
    for (const pairs of around) {
      for (let at = 0; at < size; at++) {
        next[at] = now[at] / 2 +
          (now[pairs[2 * at]] + now[pairs[2 * at + 1]]) / 4;
      }
      [now, next] = [next, now];
      now[size] = 0;
    }
    const out = new Float32Array(n);
    for (let i = 0, at = 0; i < n; i++) {
      for (let k = 0; k <= d; k++, at++) out[i] += weights[at] * now[index[at]];
    }
    return out;
  });
}

/** A function that adds maps up with Gaussian weights of their distance. */
function smoothness(width, height, sigma) {
  const reach = Math.ceil(5 * sigma);
  const taps = Array.from({ length: reach + 1 },
    (_, n) => Math.exp(-(n * n) / (2 * sigma * sigma)));
  /** Along lines of `size` pixels that are `step` apart in memory. */
  const along = (map, lines, size, jump, step) => {
    const out = new Float32Array(map.length);
    for (let line = 0; line < lines; line++) {
      for (let i = 0; i < size; i++) {
        let sum = 0;
        const last = Math.min(size - 1, i + reach);
        for (let j = Math.max(0, i - reach); j <= last; j++) {
          sum += taps[Math.abs(i - j)] * map[line * jump + j * step];
        }
        out[line * jump + i * step] = sum;
      }
    }
    return out;
  };
  return (maps) => maps.map((map) => along(
    along(map, height, width, width, 1), width, height, 1, width));
}

/** Turn energies, minus a support, into probabilities, pixel by pixel. */
function chances(energies, support) {
  const n = energies[0].length;
  const out = energies.map(() => new Float32Array(n));
  for (let i = 0; i < n; i++) {
    let highest = -Infinity;
    for (let l = 0; l < out.length; l++) {
      out[l][i] = support[l][i] - energies[l][i];
      highest = Math.max(highest, out[l][i]);
    }
    let sum = 0;
    for (const map of out) sum += map[i] = Math.exp(map[i] - highest);
    for (const map of out) map[i] /= sum;
  }
  return out;
}

/** Features of pixels: two of their places and three of their colours. */
function featuresOf(colors, width, height, alpha, beta) {
  const features = new Float64Array(5 * width * height);
  for (let i = 0; i < width * height; i++) {
    features[5 * i] = Math.floor(i / width) / alpha;
    features[5 * i + 1] = (i % width) / alpha;
    for (let k = 0; k < 3; k++) {
      features[5 * i + 2 + k] = colors[3 * i + k] / beta;
    }
  }
  return features;
}

/** A CRF for one photo, `colors` with three numbers a pixel. It keeps the
 * kernels, so that only those are made anew whose widths have changed. */
class MeanField {
  constructor(energies, colors, width, height) {
    Object.assign(this, { energies, colors, width, height });
    this.kept = {};
  }

  /** The sums with a kernel, and what normalises it. */
  term(name, widths, make) {
    const key = String(widths);
    if (this.kept[name]?.key !== key) {
      const addUp = make(...widths);
      const ones = new Float32Array(this.width * this.height).fill(1);
      const scale = addUp([ones])[0].map((sum) => 1 / Math.sqrt(sum));
      this.kept[name] = { key, addUp, scale };
    }
    return this.kept[name];
  }

  /** Probabilities after some steps. */
  run({ w1, alpha, beta, w2, gamma, steps }) {
    const { energies, colors, width, height } = this;
    const n = width * height;
    const terms = [];
    if (w1 > 0 && steps > 0) {
      terms.push([w1, this.term('appearance', [alpha, beta], (a, b) =>
        lattice(featuresOf(colors, width, height, a, b), n, 5))]);
    }
    if (w2 > 0 && steps > 0) {
      terms.push([w2, this.term('smoothness', [gamma], (g) =>
        smoothness(width, height, g))]);
    }
    const none = energies.map(() => new Float32Array(n));
    let q = chances(energies, none);
    for (let step = 0; step < steps; step++) {
      const support = energies.map(() => new Float32Array(n));
      for (const [weight, { addUp, scale }] of terms) {
        const sums = addUp(q.map((map) => map.map((x, i) => x * scale[i])));
        sums.forEach((map, l) => {
          for (let i = 0; i < n; i++) {
            support[l][i] += weight * scale[i] * map[i];
          }
        });
      }
      q = chances(energies, support);
    }
    return q;
  }
}

/** The number of the most probable label of each pixel. */
function mostProbable(maps) {
  return maps[0].map((_, i) => maps.reduce(
    (best, map, l) => (map[i] > maps[best][i] ? l : best), 0));
}
