/* A signal and its enlargement: samples to drag, output samples to read. */

class Plot {
  /** `widget` has state, kernel, signal, width and narrow. */
  constructor(widget) {
    this.widget = widget;
    this.n = 0; // output sample explained
    this.say = el('p', { 'class': 'bilinear-say' });
    this.sum = el('p', { 'class': 'bilinear-sum' });
    this.look = el('input', {
      type: 'range', min: 0, step: 1, 'aria-label': 'Output sample',
    });
    this.look.addEventListener('input', () => {
      this.n = Number(this.look.value);
      this.draw();
    });
    this.layer = svg('g', { 'aria-hidden': 'true' });
    this.handles = widget.signal.map((_, j) => this.handle(j));
    this.picture = svg('svg', {
      'class': 'bilinear-plot', role: 'group', 'aria-label': 'Input samples ' +
        '(squares) and output samples (dots)',
    });
    this.picture.append(this.layer, ...this.handles);
    this.pointer();
  }

  /** The square of an input sample, which keys move. */
  handle(j) {
    const handle = svg('g', {
      role: 'slider', tabindex: 0, 'aria-label': `Input sample ${j}`,
      'aria-valuemin': 0, 'aria-valuemax': 1, 'class': 'b-handle',
    });
    handle.append(svg('circle', { r: 16, 'class': 'b-grip' }),
      svg('rect', { x: -6, y: -6, width: 12, height: 12, rx: 2 }));
    handle.addEventListener('keydown', (event) => {
      const by = { ArrowUp: 0.05, ArrowRight: 0.05, ArrowDown: -0.05,
        ArrowLeft: -0.05 }[event.key];
      const to = { Home: 0, End: 1 }[event.key];
      if (by === undefined && to === undefined) return;
      this.widget.setSample(j, to ?? this.widget.signal[j] + by);
      event.preventDefault();
    });
    return handle;
  }

  pointer() {
    const { picture } = this;
    let held = null;
    const place = (event) => {
      const box = picture.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    picture.addEventListener('pointerdown', (event) => {
      const [x] = place(event);
      const handle = event.target.closest('.b-handle');
      held = handle ? this.handles.indexOf(handle) : null;
      if (held !== null) {
        handle.focus({ preventScroll: true });
        event.preventDefault();
      } else {
        this.n = this.scale.sample(x);
        this.draw();
      }
      picture.setPointerCapture(event.pointerId);
    });
    picture.addEventListener('pointermove', (event) => {
      const [x, y] = place(event);
      if (held !== null) {
        this.widget.setSample(held, this.scale.value(y));
      } else if (this.scale.sample(x) !== this.n) {
        this.n = this.scale.sample(x);
        this.draw();
      }
    });
    const end = () => { held = null; };
    picture.addEventListener('pointerup', end);
    picture.addEventListener('pointercancel', end);
  }

  draw() {
    const { state: { s, p }, kernel, signal } = this.widget;
    const result = upsample(signal, kernel.taps, s, p);
    const size = result.values.length;
    this.n = Math.min(this.n, size - 1);
    this.look.max = size - 1;
    this.look.value = this.n;
    this.paint(result);
    const total = result.weights.map((list) =>
      list.reduce((sum, { u }) => sum + kernel.taps[u], 0));
    this.addUp(result, total[this.n]);
    this.describe(total);
  }

  paint({ values, weights }) {
    const { state: { s, p }, kernel, signal, width, narrow } = this.widget;
    const { centre, factor } = kernel;
    const size = values.length;
    const height = narrow ? 240 : 270;
    const [left, right, top, bottom] = [30, 12, 12, 28];
    const spots = signal.map((_, j) => s * j - p + centre);
    const [firstSpot, lastSpot] = [spots[0], spots[spots.length - 1]];
    const first = Math.min(0, firstSpot) - 0.7;
    const last = Math.max(size - 1, lastSpot) + 0.7;
    const most = Math.max(1, ...values) * 1.06;
    const x = (n) => left + (n - first) / (last - first) *
      (width - left - right);
    const y = (value) => height - bottom - value / most *
      (height - top - bottom);
    this.scale = { // from pixels back to output samples and values
      sample: (at) => Math.max(0, Math.min(size - 1, Math.round(first +
        (at - left) / (width - left - right) * (last - first)))),
      value: (at) => (height - bottom - at) / (height - bottom - top) * most,
    };
    const parts = levels(left, width - right, y);
    const from = Math.max(first, -0.5);
    const to = Math.min(last, size - 0.5);
    parts.push(svg('rect', { x: x(from), y: top, width: x(to) - x(from),
      height: height - top - bottom, 'class': 'b-out' }));
    const lit = new Set(weights[this.n].map(({ j }) => j));
    signal.forEach((value, j) => {
      const spot = spots[j];
      parts.push(svg('path', {
        'class': lit.has(j) ? 'b-tent is-lit' : 'b-tent is-faint',
        d: `M${x(spot - factor)} ${y(0)}L${x(spot)} ${y(value)}` +
          `L${x(spot + factor)} ${y(0)}`,
      }));
    });
    // What linear interpolation would give.
    const smooth = [[Math.min(0, firstSpot), signal[0]],
      ...spots.map((spot, j) => [spot, signal[j]]),
      [Math.max(size - 1, lastSpot), signal[signal.length - 1]]];
    parts.push(svg('path', { 'class': 'b-ideal', d: 'M' + smooth.map(
      ([n, value]) => `${x(n)} ${y(value)}`).join('L') }));
    values.forEach((value, n) => {
      const off = Math.abs(value -
        interpolate(signal, s, p, centre, n)) > 1e-6;
      parts.push(svg('circle', { cx: x(n), cy: y(value),
        r: n === this.n ? 6 : size > 40 ? 3 : 4,
        'class': `b-result${off ? ' is-off' : ''}` +
          `${n === this.n ? ' is-lit' : ''}` }));
    });
    const step = Math.max(1, Math.ceil(size / (width / 30)));
    for (let n = 0; n < size; n += step) {
      parts.push(svg('text', { x: x(n), y: height - 10,
        'text-anchor': 'middle' }, String(n)));
    }
    this.handles.forEach((handle, j) => {
      handle.setAttribute('transform',
        `translate(${x(spots[j])} ${y(signal[j])})`);
      handle.setAttribute('aria-valuenow', number(signal[j], 2));
    });
    resize(this.picture, width, height);
    this.layer.replaceChildren(...parts);
  }

  /** Write out the sum behind the output sample. */
  addUp({ values, weights }, total) {
    const { kernel: { taps }, signal } = this.widget;
    const terms = weights[this.n];
    this.sum.replaceChildren(el('b', { 'class': 'b-y' }, `y[${this.n}]`));
    if (!terms.length) {
      this.sum.append(' gets nothing: no weight of the kernel reaches it.');
      return;
    }
    this.sum.append(' = ');
    terms.forEach(({ j, u }, n) => this.sum.append(n ? ' + ' : '',
      el('span', { 'class': 'b-k' }, number(taps[u])), '·',
      el('span', { 'class': 'b-x' }, number(signal[j], 2))));
    this.sum.append(` = ${number(values[this.n], 3)}; the weights ` +
      `add up to ${number(total)}.`);
  }

  /** Say what the weights of all output samples add up to. */
  describe(total) {
    const { state: { s, p, k }, signal } = this.widget;
    const reach = Math.ceil(k / s) + 1;
    const inner = total.filter((_, n) => {
      const seen = (n + p) / s;
      return seen >= reach - 1 && seen <= signal.length - reach + 1;
    });
    const [least, most] = [Math.min(...inner), Math.max(...inner)];
    const even = most - least < 1e-9;
    const low = Math.min(...total);
    let text;
    if (!inner.length) {
      text = 'the kernel is so large that every sample feels the border.';
    } else if (even && Math.abs(inner[0] - 1) < 1e-9) {
      text = 'inside, the weights add up to 1 and the result is linear ' +
        'interpolation (dashed)' + (low < 1 - 1e-9
        ? `; at the border they add up to as little as ${number(low)}, and ` +
          'the result falls short.' : '.');
    } else {
      text = `inside, the weights add up to ${number(least)}` +
        `${even ? '' : ` to ${number(most)}`}, so the result is not ` +
        'linear interpolation (dashed).';
    }
    this.say.textContent =
      `${signal.length} samples become ${total.length}: ${text}`;
  }
}
