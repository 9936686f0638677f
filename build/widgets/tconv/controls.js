/* The six numbers of the layer, each with a box and a slider. */

const FIELDS = [
  ['h', 'Input height'], ['w', 'Input width'], ['k', 'Kernel'],
  ['s', 'Stride'], ['p', 'Padding'], ['a', 'Output padding'],
];

class Controls {
  constructor(explorer) {
    this.explorer = explorer;
    this.fields = {};
    this.root = el('div', { 'class': 'tconv-controls' },
      ...FIELDS.map(([key, label]) => this.field(key, label)));
  }

  field(key, label) {
    const [low, high] = LIMITS[key];
    const box = el('input', {
      type: 'number', min: low, max: high, step: 1, inputmode: 'numeric',
      'aria-label': label,
    });
    const slider = el('input', {
      type: 'range', min: low, max: high, step: 1,
      'aria-label': `${label}, slider`,
    });
    box.addEventListener('input', () => this.ask(key, box));
    box.addEventListener('blur', () => this.show());
    box.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.show();
    });
    slider.addEventListener('input', () => this.ask(key, slider));
    this.fields[key] = { box, slider };
    return el('div', { 'class': 'tconv-field' },
      el('span', { 'class': 'tconv-label', 'aria-hidden': 'true' },
        label, ' ', el('var', {}, key)),
      el('div', { 'class': 'tconv-pair' }, box, slider));
  }

  show() {
    const { state } = this.explorer;
    for (const [key, { box, slider }] of Object.entries(this.fields)) {
      const value = String(state[key]);
      const kept = box === document.activeElement &&
        Number(box.value) === state[key] && box.value !== '';
      if (!kept) box.value = value;
      slider.value = value;
      box.removeAttribute('aria-invalid');
      const [low, high] = LIMITS[key];
      const most = Math.min(this.most(key), high);
      slider.style.setProperty('--open',
        `${100 * (most - low) / (high - low)}%`);
    }
  }

  /** The largest value that the other numbers allow. */
  most(key) {
    const { state } = this.explorer;
    return key === 'a' ? state.s - 1
      : key === 'p' ? largestPadding(state) : LIMITS[key][1];
  }

  /** A box or slider asks for a value; a refused one says why. */
  ask(key, source) {
    const { explorer } = this;
    const value = source.value.trim() === '' ? NaN : Number(source.value);
    if (source.type === 'number' && Number.isNaN(value)) {
      source.setAttribute('aria-invalid', 'true');
      explorer.tell(`The ${NAMES[key]} must be a whole number.`, true);
      return;
    }
    const wanted = { ...explorer.state, [key]: value };
    let notes = [];
    let state = wanted;
    if (key !== 'p' && key !== 'a') {
      const [low, high] = LIMITS[key];
      if (Number.isInteger(value) && value >= low && value <= high) {
        ({ state, notes } = settle(wanted));
      }
    }
    let reason = refusal(state);
    if (key === 'a' && reason && value < explorer.state.s) {
      ({ state, notes } = settle(wanted));
      reason = refusal(state);
    }
    if (!reason) {
      source.removeAttribute('aria-invalid');
      explorer.tell(notes.join(' '));
      explorer.change(state, true);
      return;
    }
    explorer.tell(reason, true);
    if (source.type === 'range') { // as far as it goes
      const near = Math.min(value, this.most(key));
      if (near !== explorer.state[key]) explorer.change({ [key]: near }, true);
      this.show();
    } else {
      source.setAttribute('aria-invalid', 'true');
    }
  }
}
