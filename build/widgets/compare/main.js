/* Photo, prediction and truth of one image behind two borders to drag;
 * pointing at a pixel names its classes and the network's confidence.
 *
 * The data (see utils.show_widget) stand in the place's
 * `data-options`: {images, classes, colors}; each image holds its size and
 * four pictures in base64: photo (JPEG), prediction and truth (PNG, grey =
 * class, 255 = void), confidence (PNG, grey = 0 … 31, any size).
 */

const VOID = 255;
const STEPS = 31; // of confidence
const OVER = 0.72; // how much a class colour covers the photo
const PARTS = ['photo', 'prediction', 'truth'];
const RIGHT = [255, 255, 255];
const WRONG = [190, 20, 80];
/** Light where the network is sure, dark where it guesses; t from 0 to 1. */
const sureness = (t) => [20 + 235 * t, 12 + 238 * t ** 1.3, 70 + 120 * t];
const css = (color) => `rgb(${color.map(Math.round).join(', ')})`;

async function pixels(kind, data) {
  const image = new Image();
  image.src = `data:image/${kind};base64,${data}`;
  await image.decode();
  const canvas = el('canvas', { width: image.width, height: image.height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

/** The grey values of a picture, one number a pixel. */
function greys({ data }) {
  const out = new Uint8Array(data.length / 4);
  for (let n = 0; n < out.length; n++) out[n] = data[4 * n];
  return out;
}

class Compare {
  constructor(place) {
    this.data = JSON.parse(place.dataset.options);
    place.removeAttribute('data-options'); // large, and read once
    this.cuts = [1 / 3, 2 / 3];
    this.mode = 'classes';
    this.probe = null;
    this.index = 0;
    this.cache = [];
    this.build(place);
    onTheme(this.root, () => this.paint());
    new ResizeObserver(() => this.layout()).observe(this.root);
    this.choose(0);
  }

  // ------------------------------------------------------------ page

  build(place) {
    const { images } = this.data;
    this.thumbs = images.map((image, n) => el('button', {
      type: 'button', 'aria-pressed': 'false',
      onclick: () => this.choose(n),
    }, el('img', {
      alt: `Photo ${n + 1} of ${images.length}`,
      src: `data:image/jpeg;base64,${image.photo}`,
    })));
    this.modes = {};
    const mode = (key) => {
      this.modes[key] = el('button', {
        type: 'button', 'aria-pressed': String(key === this.mode),
        onclick: () => {
          this.mode = key;
          for (const [name, button] of Object.entries(this.modes)) {
            button.setAttribute('aria-pressed', String(name === key));
          }
          this.compose();
          this.showLegend();
        },
      }, key);
      return this.modes[key];
    };
    this.canvas = el('canvas');
    this.tags = PARTS.map((name) => el('span', { 'class': 'compare-tag' },
      name));
    this.frame = el('div', {
      'class': 'compare-picture', role: 'application', tabindex: '0',
      'aria-label': 'Picture. Arrow keys move the pixel that is read.',
    }, this.canvas);
    this.handles = [0, 1].map((n) => this.handle(n));
    this.stage = el('div', { 'class': 'compare-stage' }, this.frame,
      ...this.tags, ...this.handles);
    this.readout = el('p', { 'class': 'compare-readout' });
    this.legend = el('ul', { 'class': 'compare-legend',
      'aria-label': 'What the colours mean' });
    this.spoken = el('div', { 'class': 'w-unseen', 'aria-live': 'polite' });
    this.pointer();
    this.root = el('section', {
      'class': 'book-widget compare',
      'aria-label': 'Photo, prediction and truth',
    },
    el('div', { 'class': 'compare-bar' },
      el('div', { 'class': 'compare-thumbs', role: 'group',
        'aria-label': 'Image' }, ...this.thumbs),
      el('div', { 'class': 'compare-modes', role: 'group',
        'aria-label': 'What the prediction shows' },
      mode('classes'), mode('confidence'), mode('mistakes'))),
    this.stage, this.readout, this.legend, this.spoken);
    place.append(this.root);
  }

  handle(n) {
    const names = ['photo and prediction', 'prediction and truth'];
    const handle = el('div', {
      'class': 'compare-handle', role: 'slider', tabindex: '0',
      'aria-label': `Border between ${names[n]}`,
      'aria-valuemin': '0', 'aria-valuemax': '100',
    });
    handle.addEventListener('keydown', (event) => {
      const by = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02,
        ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1 }[event.key];
      const to = { Home: 0, End: 1 }[event.key];
      if (by === undefined && to === undefined) return;
      this.cut(n, to ?? this.cuts[n] + by);
      event.preventDefault();
    });
    let held = false;
    handle.addEventListener('pointerdown', (event) => {
      held = true;
      handle.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      event.preventDefault();
    });
    handle.addEventListener('pointermove', (event) => {
      if (!held) return;
      const box = this.canvas.getBoundingClientRect();
      this.cut(n, (event.clientX - box.left) / box.width);
    });
    const end = () => { held = false; };
    handle.addEventListener('pointerup', end);
    handle.addEventListener('pointercancel', end);
    return handle;
  }

  /** Move a border; it pushes the other one along. */
  cut(n, to) {
    this.cuts[n] = Math.max(0, Math.min(1, to));
    if (n === 0) this.cuts[1] = Math.max(this.cuts[1], this.cuts[0]);
    else this.cuts[0] = Math.min(this.cuts[0], this.cuts[1]);
    this.placeHandles();
    this.paint();
  }

  pointer() {
    const { frame } = this;
    const read = (event) => {
      if (!this.image) return;
      const box = this.canvas.getBoundingClientRect();
      const [width, height] = this.image.size;
      const x = Math.floor((event.clientX - box.left) / box.width * width);
      const y = Math.floor((event.clientY - box.top) / box.height * height);
      this.look(x >= 0 && y >= 0 && x < width && y < height ? [x, y] : null);
    };
    frame.addEventListener('pointermove', read);
    frame.addEventListener('pointerdown', read);
    frame.addEventListener('pointerleave', (event) => {
      if (event.pointerType === 'mouse') this.look(null);
    });
    frame.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0],
        ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step || !this.image) return;
      const [width, height] = this.image.size;
      const far = event.shiftKey ? 1 : 8;
      const [x, y] = this.probe || [width >> 1, height >> 1];
      this.look([
        Math.max(0, Math.min(width - 1, x + far * step[0])),
        Math.max(0, Math.min(height - 1, y + far * step[1])),
      ]);
      clearTimeout(this.speaking);
      this.speaking = setTimeout(() => {
        this.spoken.textContent = this.readout.textContent;
      }, 250);
      event.preventDefault();
    });
  }

  // ------------------------------------------------------------ data

  async choose(n) {
    this.index = n;
    this.thumbs.forEach((thumb, at) => thumb.setAttribute('aria-pressed',
      String(at === n)));
    this.cache[n] = this.cache[n] || this.decode(this.data.images[n]);
    const image = await this.cache[n];
    if (this.index !== n) return; // another was chosen meanwhile
    this.image = image;
    this.probe = null;
    this.compose();
    this.layout();
    this.showLegend();
  }

  async decode({ size, photo, prediction, truth, confidence }) {
    const [p, l, t, c] = await Promise.all([
      pixels('jpeg', photo), pixels('png', prediction),
      pixels('png', truth), pixels('png', confidence),
    ]);
    return {
      size, photo: p, prediction: greys(l), truth: greys(t),
      confidence: greys(c), small: [c.width, c.height],
    };
  }

  sure(x, y) {
    const { size, small, confidence } = this.image;
    const u = Math.min(small[0] - 1, Math.floor(x * small[0] / size[0]));
    const v = Math.min(small[1] - 1, Math.floor(y * small[1] / size[1]));
    return confidence[v * small[0] + u] / STEPS;
  }

  /** Paint the three layers at the image's own size. */
  compose() {
    const { image, mode } = this;
    if (!image) return;
    const [width, height] = image.size;
    const { colors } = this.data;
    const layer = (color) => {
      const out = new ImageData(width, height);
      for (let n = 0; n < width * height; n++) {
        const [rgb, over] = color(n);
        for (let part = 0; part < 3; part++) {
          out.data[4 * n + part] = image.photo.data[4 * n + part] *
            (1 - over) + rgb[part] * over;
        }
        out.data[4 * n + 3] = 255;
      }
      const canvas = el('canvas', { width, height });
      canvas.getContext('2d').putImageData(out, 0, 0);
      return canvas;
    };
    // Void: stripes, so that it is no class's colour.
    const stripes = (n) => [((n % width + Math.floor(n / width)) >> 2) % 2
      ? [255, 255, 255] : [150, 150, 150], 0.8];
    // White between two classes: a grey class is seen on a grey car, too.
    const ends = (labels, n) => [(n + 1) % width ? n + 1 : n, n + width]
      .some((other) => other < labels.length && labels[other] !== VOID &&
        labels[other] !== labels[n]);
    const classes = (labels) => (n) => labels[n] === VOID ? stripes(n)
      : ends(labels, n) ? [[255, 255, 255], 0.9]
        : [colors[labels[n]] || [0, 0, 0], labels[n] ? OVER : OVER * 0.75];
    const kinds = {
      classes: classes(image.prediction),
      confidence: (n) => [
        sureness(this.sure(n % width, Math.floor(n / width))), 0.9],
      mistakes: (n) => image.truth[n] === VOID ? stripes(n)
        : image.truth[n] === image.prediction[n] ? [RIGHT, 0.75]
          : [WRONG, 0.85],
    };
    this.layers = [layer(() => [[0, 0, 0], 0]), layer(kinds[mode]),
      layer(classes(image.truth))];
    this.tags[1].textContent = mode === 'classes' ? 'prediction' : mode;
    this.paint();
  }

  // ---------------------------------------------------------- picture

  layout() {
    if (!this.image) return;
    const room = this.root.clientWidth - 32;
    if (room < 50) return;
    const [width, height] = this.image.size;
    const scale = Math.min(room / width, 540 / height);
    this.width = Math.round(width * scale);
    this.height = Math.round(height * scale);
    this.stage.style.width = `${this.width}px`;
    this.stage.style.height = `${this.height}px`;
    this.placeHandles();
    this.paint();
  }

  placeHandles() {
    this.handles.forEach((handle, n) => {
      handle.style.left = `${100 * this.cuts[n]}%`;
      handle.setAttribute('aria-valuenow',
        String(Math.round(100 * this.cuts[n])));
    });
    const edges = [0, ...this.cuts, 1];
    this.tags.forEach((tag, n) => {
      tag.hidden = (edges[n + 1] - edges[n]) * this.width < 84;
      tag.style.left = `${50 * (edges[n] + edges[n + 1])}%`;
    });
  }

  paint() {
    if (!this.layers || !this.width) return;
    const { width, height } = this;
    const context = sized(this.canvas, width, height);
    const [wide, high] = this.image.size;
    const edges = [0, ...this.cuts, 1];
    this.layers.forEach((layer, n) => {
      const from = edges[n] * wide;
      const share = (edges[n + 1] - edges[n]) * wide;
      if (share <= 0) return;
      context.drawImage(layer, from, 0, share, high, edges[n] * width, 0,
        (edges[n + 1] - edges[n]) * width, height);
    });
    if (!this.probe) return;
    const x = (this.probe[0] + 0.5) * width / wide;
    const y = (this.probe[1] + 0.5) * height / high;
    for (const [color, line] of [['#000', 4], ['#fff', 2]]) {
      context.beginPath();
      context.arc(x, y, 7, 0, 7);
      context.lineWidth = line;
      context.strokeStyle = color;
      context.stroke();
    }
  }

  // ------------------------------------------------------------- text

  swatch(label, color = this.data.colors[label] || [224, 224, 192]) {
    return el('span', { 'class': 'compare-swatch' + (label === VOID
      ? ' is-void' : ''), style: `background-color: ${css(color)}` });
  }

  name(label) {
    return label === VOID ? 'void'
      : this.data.classes[label] || `class ${label}`;
  }

  look(probe) {
    this.probe = probe;
    this.readout.replaceChildren();
    if (probe && this.image) {
      const [x, y] = probe;
      const at = y * this.image.size[0] + x;
      const label = this.image.prediction[at];
      const truth = this.image.truth[at];
      this.readout.append('Prediction ', this.swatch(label),
        el('b', {}, this.name(label)), ', confidence ',
        el('b', {}, this.sure(x, y).toFixed(2)), '. Truth ',
        this.swatch(truth), el('b', {}, this.name(truth)), truth === VOID
          ? ': not counted.' : truth === label ? ': right.' : ': wrong.');
      this.lit = [label, truth];
    } else {
      this.readout.append('Drag the two borders. Point at the picture to ' +
        'read a pixel’s classes and the network’s confidence.');
      this.lit = [];
    }
    for (const { classList, dataset } of this.legend.children) {
      classList.toggle('is-lit', 'label' in dataset &&
        this.lit.includes(Number(dataset.label)));
    }
    this.paint();
  }

  /** What the colours of this mode mean, then the classes of the image. */
  showLegend() {
    if (!this.image) return;
    const counts = new Map();
    for (const map of [this.image.truth, this.image.prediction]) {
      for (const label of map) {
        counts.set(label, (counts.get(label) || 0) + 1);
      }
    }
    const few = this.image.truth.length / 500;
    const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => css(sureness(t)));
    const item = (...children) => el('li', {}, ...children);
    const ofMode = {
      classes: [],
      confidence: [item('confidence: 0', el('span', {
        'class': 'compare-scale',
        style: `background: linear-gradient(to right, ${stops.join(', ')})`,
      }), '1')],
      mistakes: [item(this.swatch(null, RIGHT), 'right'),
        item(this.swatch(null, WRONG), 'wrong')],
    };
    this.legend.replaceChildren(...ofMode[this.mode], ...[...counts.keys()]
      .filter((label) => counts.get(label) > few)
      .sort((one, other) => one - other)
      .map((label) => el('li', { 'data-label': label }, this.swatch(label),
        this.name(label), label === VOID && this.mode === 'mistakes'
          ? ': not counted' : '')));
    this.look(this.probe);
  }
}

function make(place) {
  place.compare = new Compare(place);
}
