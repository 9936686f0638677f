/* The explorer of convolutions with holes: which pixels does an output see?
 *
 * It holds the state; the row and the plane draw themselves from it.
 */

class Atrous {
  constructor(place) {
    this.options = JSON.parse(place.dataset.options || '{}');
    this.inLab = Boolean(document.body.dataset.jpThemeLight);
    this.row = new Row((look) => this.change({ look }));
    this.plane = new Plane();
    this.build();
    place.append(this.root);
    this.read(true);
    onTheme(this.root, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.root);
    addEventListener('hashchange', () => {
      if (this.root.isConnected && this.read(false)) this.draw();
    });
  }

  build() {
    this.message = el('p', { 'class': 'atrous-message', role: 'status' });
    this.layers = el('div', { 'class': 'atrous-layers' });
    this.formula = el('p', { 'class': 'atrous-say', 'aria-live': 'polite' });
    this.less = el('button', { type: 'button', onclick: () => this.stack(-1) },
      'one layer less');
    this.more = el('button', { type: 'button', onclick: () => this.stack(1) },
      'one layer more');
    this.kernel = this.field('Kernel', 'k', (k) => ({ k }));
    this.root = el('section', {
      'class': 'book-widget atrous', 'aria-label': 'Atrous convolution explorer',
    },
    el('div', { 'class': 'atrous-controls' }, this.kernel.root, this.less,
      this.more),
    this.layers, this.message,
    el('h3', {}, 'In a row'), this.formula, this.row.picture,
    this.plane.root);
  }

  /** A box for a number; `part(value)` is what it changes of the state. */
  field(label, key, part) {
    const [low, high] = LIMITS[key];
    const box = el('input', {
      type: 'number', min: low, max: high, step: 1, 'aria-label': label,
      oninput: () => this.ask(box, label, part),
      onblur: () => this.show(),
    });
    return { box, root: el('label', { 'class': 'atrous-field' },
      el('span', { 'aria-hidden': 'true' }, label), box) };
  }

  /** As many rows of boxes as there are layers, the last layer on top. */
  boxes() {
    const { rates } = this.state;
    if (this.made === rates.length) return;
    this.made = rates.length;
    const replaced = (list, i, value) =>
      list.map((old, at) => at === i ? value : old);
    this.pairs = rates.map((_, i) => [
      this.field(`Rate of layer ${i + 1}`, 'rate', (value) =>
        ({ rates: replaced(this.state.rates, i, value) })),
      this.field(`Stride of layer ${i + 1}`, 'stride', (value) =>
        ({ strides: replaced(this.state.strides, i, value) })),
    ]);
    this.layers.replaceChildren(...this.pairs.flat().map(({ root }) => root));
  }

  // ------------------------------------------------------------- state

  /** Take the state from the address, or the one to start with; returns
   * whether there was one. */
  read(opening) {
    const hash = this.inLab ? '' : location.hash;
    const linked = speaks(hash);
    if (!linked && !opening) return false; // a heading's anchor
    const { state, error } = decode(linked ? hash : this.options.state || '');
    this.state = state;
    this.tell(error ? `The ${linked ? 'address' : 'state'} describes nothing ` +
      `that can be shown. ${error} The starting layers are shown instead.`
      : '');
    if (linked && opening) {
      const show = () => this.root.scrollIntoView({ block: 'start' });
      requestAnimationFrame(show);
      addEventListener('load', show, { once: true });
    }
    return true;
  }

  write() {
    if (this.inLab) return;
    clearTimeout(this.writing);
    // Browsers refuse too many changes of the address in a short time.
    this.writing = setTimeout(() => history.replaceState(history.state, '',
      '#' + encode(this.state)), 120);
  }

  ask(box, label, part) {
    const wanted = box.value === '' ? NaN : Number(box.value);
    const reason = Number.isInteger(wanted)
      ? refusal({ ...this.state, ...part(wanted) })
      : `${label} must be a whole number.`;
    box.setAttribute('aria-invalid', String(Boolean(reason)));
    if (reason) this.tell(reason);
    else this.change(part(wanted));
  }

  stack(by) {
    const { rates, strides } = this.state;
    const part = by > 0
      ? { rates: [...rates, 1], strides: [...strides, 1] }
      : { rates: rates.slice(0, -1), strides: strides.slice(0, -1) };
    const reason = refusal({ ...this.state, ...part });
    if (reason) this.tell(reason);
    else this.change(part);
  }

  change(part) {
    this.state = { ...this.state, ...part };
    this.state.look = Math.min(this.state.look,
      extent(this.state).outputs - 1);
    this.tell('');
    this.draw();
    this.write();
  }

  tell(text) {
    this.message.textContent = text;
    this.message.classList.toggle('is-bad', Boolean(text));
  }

  // ------------------------------------------------------------- looks

  show() {
    this.boxes();
    const { k, rates, strides } = this.state;
    const put = ({ box }, value) => {
      if (Number(box.value) !== value || box.value === '') box.value = value;
      box.setAttribute('aria-invalid', 'false');
    };
    put(this.kernel, k);
    this.pairs.forEach(([rate, stride], i) => {
      put(rate, rates[i]);
      put(stride, strides[i]);
    });
    this.less.disabled = rates.length === 1;
    this.more.disabled = rates.length === LAYERS;
  }

  draw() {
    const style = getComputedStyle(this.root);
    const width = this.root.clientWidth - 32;
    this.show();
    if (width < 100) return;
    const { size, step, outputs } = extent(this.state);
    const { seen, both } = shared(this.state);
    this.formula.textContent = `An output sees ${seen} of the ${size} ` +
      `pixels of its field; its neighbour lies ${step} further on` +
      (outputs > 1 ? `, and ${both ? `shares ${both}` : 'shares none'} of ` +
      'them. Point at an output, or use the arrow keys.' : '.');
    this.row.draw(this.state, width);
    this.plane.draw(this.state, Math.min(width, 420),
      (name) => style.getPropertyValue(name).trim());
  }
}

function make(place) {
  place.atrous = new Atrous(place);
  globalThis.atrousMath = { decode, encode, extent, fields, refusal, shared,
    ways, LIMITS, START }; // to compute along
}
