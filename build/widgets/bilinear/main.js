/* The bilinear kernel: its factor and centre, its outer product, and what it
 * does to a signal, border included.
 */

const SIGNALS = {
  'a step': [0.2, 0.2, 0.2, 0.9, 0.9, 0.9],
  'constant': [1, 1, 1, 1, 1, 1],
  'one sample': [0, 0, 1, 0, 0, 0],
  'waves': [0.6, 0.95, 0.4, 0.15, 0.55, 0.85],
};

class Bilinear {
  constructor(place) {
    this.state = { k: 4, s: 2, p: 1 };
    this.signal = SIGNALS.waves.slice();
    this.fields = {};
    this.profile = new Profile();
    this.outer = new Outer();
    this.plot = new Plot(this);
    this.build();
    place.append(this.root);
    new ResizeObserver(() => this.draw()).observe(this.root);
    this.draw();
  }

  build() {
    this.message = el('p', { 'class': 'bilinear-message', role: 'status' });
    this.choose = el('select', { 'aria-label': 'Signal' });
    for (const name of [...Object.keys(SIGNALS), 'edited']) {
      this.choose.append(el('option', { value: name }, name));
    }
    this.choose.value = 'waves';
    this.choose.addEventListener('change', () => {
      const signal = SIGNALS[this.choose.value];
      if (signal) {
        this.signal = signal.slice();
        this.plot.draw();
      }
    });
    this.root = el('section', {
      'class': 'book-widget bilinear', 'aria-label': 'Bilinear kernel',
    },
    el('div', { 'class': 'bilinear-controls' },
      this.field('k', 'Kernel', 1, 16),
      this.field('s', 'Stride', 1, 8),
      this.field('p', 'Padding', 0, 8),
      el('button', { type: 'button', onclick: () => this.set(
        fitting(this.state.s)) }, 'fit kernel and padding to the stride')),
    this.message,
    el('div', { 'class': 'bilinear-two' }, this.profile.root,
      this.outer.root),
    el('div', { 'class': 'bilinear-head' },
      el('h3', {}, 'A signal, enlarged'), this.choose,
      el('label', { 'class': 'bilinear-look' },
        el('span', { 'class': 'bilinear-label' }, 'output sample'),
        this.plot.look)),
    this.plot.say, this.plot.picture, this.plot.sum);
  }

  field(key, label, low, high) {
    const box = el('input', {
      type: 'number', min: low, max: high, step: 1, 'aria-label': label,
    });
    const slider = el('input', {
      type: 'range', min: low, max: high, step: 1,
      'aria-label': `${label}, slider`,
    });
    for (const input of [box, slider]) {
      input.addEventListener('input', () => this.ask(key, input));
    }
    box.addEventListener('blur', () => this.show());
    this.fields[key] = { box, slider, label };
    return el('div', {},
      el('span', { 'class': 'bilinear-label', 'aria-hidden': 'true' },
        label, ' ', el('var', {}, key)),
      el('div', { 'class': 'bilinear-pair' }, box, slider));
  }

  ask(key, input) {
    const value = Number(input.value);
    const low = Number(input.min);
    const high = Number(input.max);
    const wrong = input.value === '' || !Number.isInteger(value) ||
      value < low || value > high;
    if (wrong) {
      this.say(`The ${this.fields[key].label.toLowerCase()} must be a ` +
        `whole number from ${low} to ${high}.`);
      input.setAttribute('aria-invalid', 'true');
      return;
    }
    const wanted = { ...this.state, [key]: value };
    const most = this.largestPadding(wanted);
    if (wanted.p > most) {
      wanted.p = most;
      this.say(key === 'p'
        ? `Padding ${value} is refused: more than ${most} would cut off ` +
          'a whole input sample or leave no output.'
        : `Padding went down to ${most}: more would cut off a whole ` +
          'input sample or leave no output.');
      this.set(wanted, true);
      return;
    }
    this.set(wanted);
  }

  largestPadding({ k, s }) {
    const room = s * (this.signal.length - 1) + k - 1;
    return Math.min(k - 1, Math.floor(room / 2), 8);
  }

  set(part, keepMessage = false) {
    this.state = { ...this.state, ...part };
    if (!keepMessage) this.say('');
    this.outer.tap = null;
    this.draw();
  }

  setSample(j, value) {
    this.signal[j] = Math.round(Math.max(0, Math.min(1, value)) * 100) / 100;
    this.choose.value = 'edited';
    this.plot.draw();
  }

  say(text) {
    this.message.textContent = text;
    this.message.classList.toggle('is-bad', Boolean(text));
  }

  show() {
    for (const [key, { box, slider }] of Object.entries(this.fields)) {
      if (box !== document.activeElement ||
          Number(box.value) !== this.state[key]) {
        box.value = this.state[key];
      }
      slider.value = this.state[key];
      box.removeAttribute('aria-invalid');
    }
  }

  draw() {
    const width = this.root.clientWidth - 32;
    if (width < 100) return;
    this.width = width;
    this.narrow = width < 560;
    this.root.classList.toggle('is-narrow', this.narrow);
    this.kernel = triangle(this.state.k);
    this.show();
    const half = this.narrow ? width : (width - 28) / 2;
    this.profile.draw(this.kernel, half);
    this.outer.draw(this.kernel, half);
    this.plot.draw();
  }
}

function make(place) {
  place.bilinear = new Bilinear(place);
  // The colours follow the page through the style alone; the class on the
  // root is all that changes.
  onTheme(place.bilinear.root, () => {});
  globalThis.bilinearMath = { triangle, upsample }; // to compute along
}
