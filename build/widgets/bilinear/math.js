/* The bilinear kernel and what it does to a signal, without a page. */

/** The triangle of k taps: {factor, centre, taps}. */
function triangle(k) {
  const factor = Math.floor((k + 1) / 2);
  const centre = k % 2 ? factor - 1 : factor - 0.5;
  const taps = Array.from({ length: k },
    (_, u) => 1 - Math.abs(u - centre) / factor);
  return { factor, centre, taps };
}

/** Transposed convolution of a signal: {values, weights}.
 *
 * weights[n] lists {j, u}, the inputs and taps that make output n. */
function upsample(signal, taps, s, p) {
  const size = s * (signal.length - 1) + taps.length - 2 * p;
  const values = new Array(size).fill(0);
  const weights = Array.from({ length: size }, () => []);
  signal.forEach((x, j) => taps.forEach((weight, u) => {
    const n = s * j - p + u;
    if (n < 0 || n >= size) return;
    values[n] += weight * x;
    weights[n].push({ j, u });
  }));
  return { values, weights };
}

/** Linear interpolation of the signal, held constant past its ends. */
function interpolate(signal, s, p, centre, n) {
  const at = (n + p - centre) / s;
  const bounded = Math.max(0, Math.min(signal.length - 1, at));
  const j = Math.min(Math.floor(bounded), signal.length - 2);
  const t = bounded - j;
  return signal[j] * (1 - t) + signal[j + 1] * t;
}

/** The kernel and padding that enlarge exactly s times. */
function fitting(s) {
  return { k: 2 * s - s % 2, p: Math.floor(s / 2) };
}
