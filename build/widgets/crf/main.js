/* A photo, what a network says of it, and what a CRF makes of that, with its
 * weights and widths to move.
 *
 * The data (see utils.show_widget) stand in the place's `data-options`:
 * {width, height, photo, energies, truth, classes, colors}; bytes in base64:
 * `photo` three a pixel, `energies` a list with one a pixel for each class,
 * in steps of 1/20, `truth` the place in `classes`, 255 for void.
 */

const VOID = 255;
const STEP = 1 / 20; // of energy
const SLIDERS = [ // key, its name, lowest, highest, step, text below
  ['w1', ['w', '1'], 0, 48, 1, 'weight of the appearance'],
  ['alpha', ['σ', 'α'], 2, 60, 1, 'its width in the photo, pixels'],
  ['beta', ['σ', 'β'], 2, 60, 1, 'its width in colour, of 255'],
  ['w2', ['w', '2'], 0, 20, 1, 'weight of the smoothness'],
  ['gamma', ['σ', 'γ'], 0.25, 8, 0.25, 'its width, pixels'],
  ['steps', ['steps', ''], 0, 10, 1, 'of mean field'],
];

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

class Field {
  constructor(place) {
    this.data = JSON.parse(place.dataset.options);
    place.removeAttribute('data-options'); // large, and read once
    this.photo = bytesOf(this.data.photo);
    this.truth = bytesOf(this.data.truth);
    this.energies = this.data.energies.map(
      (text) => Float32Array.from(bytesOf(text), (n) => n * STEP));
    this.field = new MeanField(this.energies, this.photo, this.data.width,
      this.data.height);
    this.start = { ...this.data.settings };
    this.settings = { ...this.start };
    this.sliders = {};
    this.build(place);
    this.before = mostProbable(this.energies.map((map) => map.map((e) => -e)));
    this.paint('photo', (i) => this.photo.subarray(3 * i, 3 * i + 3));
    this.label('net', this.before);
    this.label('truth', this.truth);
    this.update();
    onTheme(this.root, () => {});
  }

  build(place) {
    const { width, height, classes, colors } = this.data;
    this.canvases = {};
    const picture = (key, title) => {
      this.canvases[key] = el('canvas', { width, height, role: 'img',
        'aria-label': title });
      return el('figure', {}, this.canvases[key],
        el('figcaption', {}, title));
    };
    const slider = ([key, [name, index], min, max, step, text]) => {
      const said = el('output', {});
      const input = el('input', { type: 'range', min, max, step,
        'aria-label': `${name} ${index} ${text}`.replace(/ +/g, ' '),
        oninput: () => this.set({ [key]: Number(input.value) }) });
      this.sliders[key] = { input, said };
      return el('label', {}, el('span', { 'class': 'crf-name' },
        index ? el('var', {}, name) : name, el('sub', {}, index), ' = ', said),
      input, el('small', {}, text));
    };
    this.say = el('p', { 'class': 'crf-say', role: 'status' });
    this.root = el('section', { 'class': 'book-widget crf',
      'aria-label': 'A conditional random field' },
    el('div', { 'class': 'crf-pictures' },
      picture('photo', 'photo'), picture('net', 'network'),
      picture('crf', 'with the CRF'), picture('truth', 'truth')),
    this.say,
    el('div', { 'class': 'crf-sliders' }, ...SLIDERS.map(slider)),
    el('div', { 'class': 'crf-foot' },
      el('ul', { 'class': 'crf-legend' }, ...classes.map((name, l) => el('li',
        {}, el('span', { style: `background: rgb(${colors[l]})` }), name))),
      el('button', { type: 'button',
        onclick: () => this.set(this.start) }, 'reset')));
    place.append(this.root);
  }

  set(part) {
    this.settings = { ...this.settings, ...part };
    if (this.asked) return; // one picture for all that moved meanwhile
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.update();
    });
  }

  update() {
    const begun = performance.now();
    this.found = mostProbable(this.field.run(this.settings));
    this.took = performance.now() - begun;
    this.label('crf', this.found);
    for (const [key, { input, said }] of Object.entries(this.sliders)) {
      input.value = this.settings[key];
      said.textContent = number(this.settings[key]);
    }
    const [before, after] = [this.before, this.found].map(
      (found) => this.right(found));
    const changed = this.found.filter((l, i) => l !== this.before[i]).length;
    const percent = (share) => `${number(100 * share, 1)} %`;
    this.say.textContent = `Right are ${percent(before)} of the pixels ` +
      `without, ${percent(after)} with the CRF; it has changed ` +
      `${percent(changed / this.found.length)}.`;
  }

  /** The share of the pixels that are right; void does not count. */
  right(found) {
    let [all, right] = [0, 0];
    this.truth.forEach((label, i) => {
      if (label === VOID) return;
      all += 1;
      if (label === found[i]) right += 1;
    });
    return right / all;
  }

  label(key, labels) {
    const { colors } = this.data;
    this.paint(key, (i) => (labels[i] === VOID ? [224, 224, 192]
      : colors[labels[i]]));
  }

  paint(key, color) {
    const { width, height } = this.data;
    const context = this.canvases[key].getContext('2d');
    const image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      image.data.set(color(i), 4 * i);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }
}

function make(place) {
  place.crf = new Field(place);
}
