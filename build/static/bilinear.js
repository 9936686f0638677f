/* The bilinear kernel: its factor and centre, its outer product, and what it
 * does to a signal, border included.
 *
 * Needs widget.js. The arithmetic is `bilinearMath`, without a page in it.
 */
(() => {
  'use strict';
  const { el, mount, number } = globalThis.bookWidgets;

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

  globalThis.bilinearMath = { triangle, upsample, interpolate, fitting };

  const SIGNALS = {
    'a step': [0.2, 0.2, 0.2, 0.9, 0.9, 0.9],
    'constant': [1, 1, 1, 1, 1, 1],
    'one sample': [0, 0, 1, 0, 0, 0],
    'waves': [0.6, 0.95, 0.4, 0.15, 0.55, 0.85],
  };
  const SPACE = 'http://www.w3.org/2000/svg';

  function svg(tag, attributes = {}, text = null) {
    const made = document.createElementNS(SPACE, tag);
    for (const [name, value] of Object.entries(attributes)) {
      made.setAttribute(name, value);
    }
    if (text !== null) made.textContent = text;
    return made;
  }

  function fraction(value) {
    return number(value, 4);
  }

  class Bilinear {
    constructor(place) {
      this.state = { k: 4, s: 2, p: 1 };
      this.signal = SIGNALS.waves.slice();
      this.tap = null; // [u, v] pointed at in the outer product
      this.n = 0; // output sample explained
      this.build();
      place.append(this.root);
      new ResizeObserver(() => this.draw()).observe(this.root);
      this.draw();
    }

    build() {
      this.fields = {};
      const field = (key, label, low, high) => {
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
      };
      this.fit = el('button', { type: 'button', onclick: () => this.set(
        fitting(this.state.s)) }, 'fit kernel and padding to the stride');
      this.message = el('p', { 'class': 'bilinear-message', role: 'status' });
      this.formula = el('p', { 'class': 'bilinear-formula' });
      this.profile = svg('svg', { role: 'img' });
      this.outer = svg('svg', { role: 'img' });
      this.outerText = el('p', { 'class': 'bilinear-say' });
      this.plot = svg('svg', { 'class': 'bilinear-plot' });
      this.plotText = el('p', { 'class': 'bilinear-say' });
      this.sum = el('p', { 'class': 'bilinear-sum' });
      this.look = el('input', {
        type: 'range', min: 0, step: 1, 'aria-label': 'Output sample',
      });
      this.look.addEventListener('input', () => {
        this.n = Number(this.look.value);
        this.drawSignal();
      });
      const choose = el('select', { 'aria-label': 'Signal' });
      for (const name of Object.keys(SIGNALS)) {
        choose.append(el('option', { value: name }, name));
      }
      choose.append(el('option', { value: 'edited' }, 'edited'));
      choose.value = 'waves';
      choose.addEventListener('change', () => {
        if (SIGNALS[choose.value]) {
          this.signal = SIGNALS[choose.value].slice();
          this.drawSignal();
        }
      });
      this.choose = choose;
      this.pointerOuter();
      this.pointerPlot();
      this.root = el('section', {
        'class': 'book-widget bilinear', 'aria-label': 'Bilinear kernel',
      },
      el('div', { 'class': 'bilinear-controls' },
        field('k', 'Kernel', 1, 16),
        field('s', 'Stride', 1, 8),
        field('p', 'Padding', 0, 8),
        this.fit),
      this.message,
      el('div', { 'class': 'bilinear-two' },
        el('div', {},
          el('h3', {}, 'One side of the kernel'), this.formula,
          this.profile),
        el('div', {},
          el('h3', {}, 'The kernel: an outer product'), this.outerText,
          this.outer)),
      el('div', { 'class': 'bilinear-head' },
        el('h3', {}, 'A signal, enlarged'), choose,
        el('label', { 'class': 'bilinear-look' },
          el('span', { 'class': 'bilinear-label' }, 'output sample'),
          this.look)),
      this.plotText, this.plot, this.sum);
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
      this.tap = null;
      this.draw();
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
      this.drawProfile();
      this.drawOuter();
      this.drawSignal();
    }

    // ------------------------------------------------- one side, drawn

    drawProfile() {
      const { k } = this.state;
      const { factor, centre, taps } = this.kernel;
      const width = this.narrow ? this.width : (this.width - 28) / 2;
      const height = 200;
      const [left, right, top, bottom] = [30, 10, 24, 40];
      const x = (u) => left + (u - centre + factor) / (2 * factor) *
        (width - left - right);
      const y = (value) => height - bottom - value *
        (height - top - bottom);
      this.formula.replaceChildren(
        el('span', {}, el('var', {}, 'f'), ` = ⌊(${k} + 1) / 2⌋ = ${factor}`),
        el('span', {}, el('var', {}, 'c'), ' = ', el('var', {}, 'f'),
          k % 2 ? ' − 1' : ' − 0.5', ` = ${number(centre)}`),
        el('span', {}, 'tap ', el('var', {}, 'u'), ': 1 − |',
          el('var', {}, 'u'), ` − ${number(centre)}| / ${factor}`));
      const parts = [];
      for (const value of [0, 0.5, 1]) {
        parts.push(svg('line', { x1: left, x2: width - right, y1: y(value),
          y2: y(value), 'class': value ? 'b-line' : 'b-axis' }));
        parts.push(svg('text', { x: left - 6, y: y(value) + 4,
          'text-anchor': 'end' }, String(value)));
      }
      parts.push(svg('path', { 'class': 'b-tent', d: `M${x(centre - factor)} ` +
        `${y(0)}L${x(centre)} ${y(1)}L${x(centre + factor)} ${y(0)}` }));
      parts.push(svg('line', { x1: x(centre), x2: x(centre), y1: y(1) - 6,
        y2: y(0), 'class': 'b-centre' }));
      parts.push(svg('text', { x: x(centre), y: top - 10,
        'text-anchor': 'middle', 'class': 'b-name' },
      `centre ${number(centre)}`));
      // The factor: from the centre to where the triangle ends.
      const bar = height - 8;
      parts.push(svg('path', { 'class': 'b-centre', d: `M${x(centre)} ` +
        `${bar - 4}v8m0 -4H${x(centre + factor)}m0 -4v8` }));
      parts.push(svg('text', { x: x(centre) - 6, y: bar + 4,
        'text-anchor': 'end', 'class': 'b-name' }, `factor ${factor}`));
      const step = Math.ceil(k / (width / 26));
      taps.forEach((value, u) => {
        parts.push(svg('line', { x1: x(u), x2: x(u), y1: y(0), y2: y(value),
          'class': 'b-stem' }));
        parts.push(svg('circle', { cx: x(u), cy: y(value), r: 4,
          'class': 'b-dot' }));
        if (u % step === 0) {
          parts.push(svg('text', { x: x(u), y: y(0) + 15,
            'text-anchor': 'middle' }, String(u)));
        }
      });
      this.size(this.profile, width, height);
      this.profile.replaceChildren(...parts);
      this.profile.setAttribute('aria-label', `A triangle with its top at ` +
        `${number(centre)} and half its width ${factor}; taps ` +
        taps.map(fraction).join(', '));
    }

    size(node, width, height) {
      node.setAttribute('width', width);
      node.setAttribute('height', height);
      node.setAttribute('viewBox', `0 0 ${width} ${height}`);
    }

    // ------------------------------------------------------- outer product

    drawOuter() {
      const { k } = this.state;
      const { taps } = this.kernel;
      const width = this.narrow ? this.width : (this.width - 28) / 2;
      const gap = 8;
      const cell = Math.max(8, Math.min(34, Math.floor(
        Math.min(width - gap - 2, 240) / (k + 1.001))));
      this.cell = cell;
      this.outerGap = gap;
      const parts = [];
      const put = (x, y, value, kind, lit) => {
        const strength = Math.round((8 + 84 * value) * 10) / 10;
        parts.push(svg('rect', {
          x, y, width: cell, height: cell, 'class': lit ? 'b-cell is-lit'
            : 'b-cell', style: `fill: color-mix(in srgb, var(--w-${kind}) ` +
            `${strength}%, var(--w-surface))`,
        }));
        const text = number(value, 2).replace(/^0\./, '.');
        if (cell >= 22) {
          parts.push(svg('text', {
            x: x + cell / 2, y: y + cell / 2 + 3.5, 'text-anchor': 'middle',
            'class': value > 0.62 ? 'b-on' : 'b-in',
            'font-size': Math.min(12, (cell - 3) / (text.length * 0.58)),
          }, text));
        }
      };
      const [litU, litV] = this.tap || [-1, -1];
      const from = 1 + cell + gap;
      taps.forEach((value, v) => put(from + v * cell, 1, value, 'k',
        v === litV));
      taps.forEach((value, u) => put(1, from + u * cell, value, 'k',
        u === litU));
      taps.forEach((down, u) => taps.forEach((across, v) => {
        if (u !== litU || v !== litV) {
          put(from + v * cell, from + u * cell, down * across, 'accent');
        }
      }));
      if (this.tap) { // last, so that its frame lies on top
        put(from + litV * cell, from + litU * cell, taps[litU] * taps[litV],
          'accent', true);
      }
      const whole = from + k * cell + 2;
      this.size(this.outer, whole, whole);
      this.outer.replaceChildren(...parts);
      this.outer.setAttribute('aria-label', `The ${k} by ${k} kernel as ` +
        'column times row of the same triangle');
      if (this.tap) {
        this.outerText.textContent = `K[${litU}, ${litV}] = ` +
          `${fraction(taps[litU])} × ${fraction(taps[litV])} = ` +
          fraction(taps[litU] * taps[litV]);
      } else {
        this.outerText.textContent = 'Every cell is the product of its ' +
          'row’s tap and its column’s tap. Point at one.';
      }
    }

    pointerOuter() {
      const find = (event) => {
        const box = this.outer.getBoundingClientRect();
        const from = 1 + this.cell + this.outerGap;
        const u = Math.floor((event.clientY - box.top - from) / this.cell);
        const v = Math.floor((event.clientX - box.left - from) / this.cell);
        const { k } = this.state;
        const next = u >= 0 && v >= 0 && u < k && v < k ? [u, v] : null;
        if (String(next) !== String(this.tap)) {
          this.tap = next;
          this.drawOuter();
        }
      };
      this.outer.addEventListener('pointermove', find);
      this.outer.addEventListener('pointerdown', find);
      this.outer.addEventListener('pointerleave', () => {
        if (this.tap) { this.tap = null; this.drawOuter(); }
      });
    }

    // --------------------------------------------------------- the signal

    drawSignal() {
      const { s, p, k } = this.state;
      const { taps, centre, factor } = this.kernel;
      const { signal } = this;
      const result = upsample(signal, taps, s, p);
      const size = result.values.length;
      this.n = Math.min(this.n, size - 1);
      this.look.max = size - 1;
      this.look.value = this.n;
      const width = this.width;
      const height = this.narrow ? 240 : 270;
      const [left, right, top, bottom] = [30, 12, 12, 28];
      const spots = signal.map((_, j) => s * j - p + centre);
      const first = Math.min(0, spots[0]) - 0.7;
      const last = Math.max(size - 1, spots[spots.length - 1]) + 0.7;
      const most = Math.max(1, ...result.values) * 1.06;
      const x = (n) => left + (n - first) / (last - first) *
        (width - left - right);
      const y = (value) => height - bottom - value / most *
        (height - top - bottom);
      this.scale = { x, y, most, spots, height, bottom, top, first, last,
        left, right };
      const parts = [];
      for (const value of [0, 0.5, 1]) {
        parts.push(svg('line', { x1: left, x2: width - right, y1: y(value),
          y2: y(value), 'class': value ? 'b-line' : 'b-axis' }));
        parts.push(svg('text', { x: left - 6, y: y(value) + 4,
          'text-anchor': 'end' }, String(value)));
      }
      const clip = [Math.max(first, -0.5), Math.min(last, size - 0.5)];
      parts.push(svg('rect', { x: x(clip[0]), y: top,
        width: x(clip[1]) - x(clip[0]), height: height - top - bottom,
        'class': 'b-out' }));
      const at = this.n;
      const lit = new Set(result.weights[at].map(({ j }) => j));
      signal.forEach((value, j) => {
        const spot = spots[j];
        parts.push(svg('path', {
          'class': lit.has(j) ? 'b-tent is-lit' : 'b-tent is-faint',
          d: `M${x(spot - factor)} ${y(0)}L${x(spot)} ${y(value)}` +
            `L${x(spot + factor)} ${y(0)}`,
        }));
      });
      // What linear interpolation would give.
      const line = [];
      for (let n = 0; n < size; n++) {
        line.push(`${x(n)} ${y(interpolate(signal, s, p, centre, n))}`);
      }
      const smooth = [[Math.min(0, spots[0]), signal[0]],
        ...spots.map((spot, j) => [spot, signal[j]]),
        [Math.max(size - 1, spots[spots.length - 1]),
          signal[signal.length - 1]]];
      parts.push(svg('path', { 'class': 'b-ideal', d: 'M' + smooth.map(
        ([n, value]) => `${x(n)} ${y(value)}`).join('L') }));
      result.values.forEach((value, n) => {
        const off = Math.abs(value -
          interpolate(signal, s, p, centre, n)) > 1e-6;
        parts.push(svg('circle', { cx: x(n), cy: y(value),
          r: n === at ? 6 : size > 40 ? 3 : 4,
          'class': `b-result${off ? ' is-off' : ''}` +
            `${n === at ? ' is-lit' : ''}` }));
      });
      const step = Math.max(1, Math.ceil(size / (width / 30)));
      for (let n = 0; n < size; n += step) {
        parts.push(svg('text', { x: x(n), y: height - 10,
          'text-anchor': 'middle' }, String(n)));
      }
      if (!this.handles) this.makeHandles();
      this.handles.forEach((handle, j) => {
        handle.setAttribute('transform',
          `translate(${x(spots[j])} ${y(signal[j])})`);
        handle.setAttribute('aria-valuenow', number(signal[j], 2));
      });
      this.size(this.plot, width, height);
      this.layer.replaceChildren(...parts);

      const total = result.weights.map((list) =>
        list.reduce((sum, { u }) => sum + taps[u], 0));
      this.sum.replaceChildren(el('b', { 'class': 'b-y' }, `y[${at}]`));
      const terms = result.weights[at];
      if (!terms.length) {
        this.sum.append(' gets nothing: no tap reaches it.');
      } else {
        this.sum.append(' = ');
        terms.forEach(({ j, u }, n) => this.sum.append(n ? ' + ' : '',
          el('span', { 'class': 'b-k' }, fraction(taps[u])), '·',
          el('span', { 'class': 'b-x' }, number(signal[j], 2))));
        this.sum.append(` = ${number(result.values[at], 3)}; the weights ` +
          `add up to ${fraction(total[at])}.`);
      }
      const low = Math.min(...total);
      const reach = Math.ceil(k / s) + 1;
      const inner = total.filter((_, n) => {
        const seen = (n + p) / s;
        return seen >= reach - 1 && seen <= signal.length - reach + 1;
      });
      const even = inner.length && Math.max(...inner) - Math.min(...inner) <
        1e-9;
      const one = even && Math.abs(inner[0] - 1) < 1e-9;
      const short = low < 1 - 1e-9;
      const between = inner.length ? [Math.min(...inner), Math.max(...inner)]
        .map(fraction) : [];
      this.plotText.textContent = `${signal.length} samples become ${size}: ` +
        (!inner.length
          ? 'the kernel is so large that every sample feels the border.'
          : one ? 'inside, the weights add up to 1 and the result is linear ' +
              'interpolation (dashed)' + (short
            ? '; at the border they add up to as little as ' +
              `${fraction(low)}, and the result falls short.` : '.')
            : `inside, the weights add up to ${between[0]}` +
              `${even ? '' : ` to ${between[1]}`}, so the result is not ` +
              'linear interpolation (dashed).');
    }

    makeHandles() {
      this.layer = svg('g', { 'aria-hidden': 'true' });
      this.handles = this.signal.map((_, j) => {
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
          this.setSample(j, to ?? this.signal[j] + by);
          event.preventDefault();
        });
        return handle;
      });
      this.plot.append(this.layer, ...this.handles);
      this.plot.setAttribute('role', 'group');
      this.plot.setAttribute('aria-label', 'Input samples (squares) and ' +
        'output samples (dots)');
    }

    setSample(j, value) {
      this.signal[j] = Math.round(Math.max(0, Math.min(1, value)) * 100) / 100;
      this.choose.value = 'edited';
      this.drawSignal();
    }

    pointerPlot() {
      const { plot } = this;
      let held = null;
      const place = (event) => {
        const box = plot.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
      };
      const value = (y) => {
        const { height, bottom, top, most } = this.scale;
        return (height - bottom - y) / (height - bottom - top) * most;
      };
      const nearest = (x) => {
        const { first, last, left, right } = this.scale;
        const n = Math.round(first + (x - left) /
          (this.width - left - right) * (last - first));
        return Math.max(0, Math.min(Number(this.look.max), n));
      };
      plot.addEventListener('pointerdown', (event) => {
        const [x] = place(event);
        const handle = event.target.closest('.b-handle');
        held = handle ? this.handles.indexOf(handle) : null;
        if (held !== null) {
          handle.focus({ preventScroll: true });
          event.preventDefault();
        } else {
          this.n = nearest(x);
          this.drawSignal();
        }
        plot.setPointerCapture(event.pointerId);
      });
      plot.addEventListener('pointermove', (event) => {
        const [x, y] = place(event);
        if (held !== null) {
          this.setSample(held, value(y));
        } else if (nearest(x) !== this.n) {
          this.n = nearest(x);
          this.drawSignal();
        }
      });
      const end = () => { held = null; };
      plot.addEventListener('pointerup', end);
      plot.addEventListener('pointercancel', end);
    }
  }

  // The colours follow the page through the style alone; the class on the
  // root is all that changes.
  mount('bilinear', (place) => {
    const made = new Bilinear(place);
    globalThis.bookWidgets.onTheme(made.root, () => {});
    place.bilinear = made;
  });
})();
