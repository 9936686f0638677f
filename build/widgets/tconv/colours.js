/* The colours of both schemes, and of values and counts. */

const PALETTES = {
  light: {
    surface: [255, 255, 255], positive: [0, 84, 140],
    negative: [179, 71, 0], count: [76, 29, 149],
    ink: '#1c2530', quiet: '#5d6975', line: '#d3dae1', soft: '#eef1f4',
    strong: '#8b96a3', x: '#0a7566', k: '#6536c9', y: '#b81f57',
    veil: 'rgba(255, 255, 255, 0.62)', texts: ['#1c2530', '#ffffff', '#000'],
    pale: '#3c4753',
  },
  dark: {
    surface: [21, 26, 33], positive: [125, 178, 245],
    negative: [243, 156, 82], count: [190, 160, 255],
    ink: '#e6ebf1', quiet: '#98a4b1', line: '#36404c', soft: '#1d242d',
    strong: '#6d7a89', x: '#4fd1b9', k: '#b79bff', y: '#ff8db5',
    veil: 'rgba(21, 26, 33, 0.62)', texts: ['#f1f4f8', '#0f1720', '#000'],
    pale: '#b9c4d0',
  },
};

function mix(from, to, t) {
  const part = (n) => Math.round(from[n] + (to[n] - from[n]) * t);
  return [part(0), part(1), part(2)];
}

function css([r, g, b]) {
  return `rgb(${r}, ${g}, ${b})`;
}

/** Relative luminance of a colour, as WCAG defines it. */
function luminance(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function parse(hex) {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/g, '$&$&') : hex;
  return [1, 3, 5].map((n) => parseInt(full.slice(n, n + 2), 16));
}

/** Colours of values or counts, scaled to the largest of a grid. */
class Shades {
  constructor(palette, values, kind = 'value') {
    this.palette = palette;
    this.kind = kind;
    this.texts = new Map();
    this.most = 0;
    for (const value of values) {
      this.most = Math.max(this.most, Math.abs(value));
    }
  }

  rgb(value, pale = false) {
    const { palette } = this;
    if (!value || !this.most) return palette.surface;
    const end = this.kind === 'count' ? palette.count
      : value > 0 ? palette.positive : palette.negative;
    const t = Math.min(Math.abs(value) / this.most, 1);
    return mix(palette.surface, end,
      (0.1 + 0.82 * t ** 0.9) * (pale ? 0.38 : 1));
  }

  fill(value, pale) { return css(this.rgb(value, pale)); }

  /** The first colour that can be read on the fill. */
  text(value, pale) {
    const { palette } = this;
    if (!value || !this.most) return palette.quiet;
    if (pale) return palette.pale;
    if (!this.texts.has(value)) {
      const ground = this.rgb(value);
      this.texts.set(value, palette.texts.find((text) =>
        contrast(ground, parse(text)) >= 4.5) || palette.texts[1]);
    }
    return this.texts.get(value);
  }
}
