/* The transposed-convolution explorer: one operation, three linked views.
 *
 * The explorer holds the state, all that follows from it, and what the reader
 * points at; each part of the page draws itself from these and asks for
 * changes. Canvases are repainted only when something on them changed.
 *
 * A choice is {kind, at}: a cell of 'x', 'k' or 'y' by its place in row
 * order; or {kind: 'm', row, col}, an entry of the matrix.
 */

const HINT = 'Point at a cell to see what it touches. Type to change it, ' +
  'drag to copy it into others.';

class Explorer {
  constructor(place) {
    this.options = JSON.parse(place.dataset.options || '{}');
    this.inLab = Boolean(document.body.dataset.jpThemeLight);
    this.focus = null; // what the pointer or the keyboard is on
    this.pinned = null; // what was chosen
    this.laidOut = false; // not before the page shows it
    this.frames = []; // of the last seconds, for measuring
    this.build(place);
    this.read(true);
    this.unfold(this.options.views !== 'scatter' || speaks(location.hash));
    onTheme(this.root, (dark) => {
      this.palette = PALETTES[dark ? 'dark' : 'light'];
      if (this.X) this.shade();
    });
    this.refresh();
    new ResizeObserver(() => this.layout()).observe(this.root);
    addEventListener('hashchange', () => {
      if (!this.root.isConnected || !this.read(false)) return;
      this.unfold(true);
      this.refresh();
    });
  }

  build(place) {
    this.message = el('p', { 'class': 'tconv-message', 'role': 'status' });
    this.readout = el('div', { 'class': 'tconv-readout' });
    this.spoken = el('div', { 'class': 'w-unseen', 'aria-live': 'polite' });
    this.controls = new Controls(this);
    this.formula = new Formula(this);
    this.transport = new Transport(this);
    this.grids = [
      new Grid(this, 'x', 'Input X', INPUTS),
      new Grid(this, 'k', 'Kernel K', KERNELS),
    ];
    this.scatter = new Scatter(this);
    this.gather = new Gather(this);
    this.matrix = new Matrix(this);
    this.overlap = new Overlap(this);
    this.more = el('button', {
      type: 'button', onclick: () => this.unfold(this.gather.root.hidden),
    });
    this.views = [this.scatter, this.gather, this.matrix]; // linked
    this.parts = [this.controls, this.formula, this.transport,
      ...this.grids, ...this.views, this.overlap];
    this.boards = [this.scatter.board, this.gather.board, this.gather.turned,
      this.matrix.board, ...this.overlap.boards];
    this.glides = Object.assign({}, ...this.views.map((view) => view.glides));
    this.root = el('section', {
      'class': 'book-widget tconv',
      'aria-label': 'Transposed convolution explorer',
    },
    this.controls.root,
    this.message,
    this.formula.root,
    this.transport.root,
    el('div', { 'class': 'tconv-views' },
      el('div', { 'class': 'tconv-operands' },
        ...this.grids.map((grid) => grid.root)),
      this.scatter.root,
      this.readout,
      this.gather.root,
      this.matrix.root),
    this.overlap.root,
    el('div', { 'class': 'tconv-more' }, this.more),
    this.spoken);
    place.append(this.root);
  }

  /** Show all views, or only how stamps are scattered. */
  unfold(all) {
    for (const view of [this.gather, this.matrix, this.overlap]) {
      view.root.hidden = !all;
    }
    this.more.setAttribute('aria-expanded', String(all));
    this.more.textContent = all ? 'Show the stamps alone'
      : 'Show gather, matrix and overlap, too';
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
    this.tell(error ? `The ${linked ? 'address' : 'state'} describes no ` +
      `valid layer: ${error}. The starting layer is shown instead.` : '',
    Boolean(error));
    if (linked && opening) {
      const show = () => this.root.scrollIntoView({ block: 'start' });
      requestAnimationFrame(show);
      addEventListener('load', show, { once: true });
    }
    this.pinned = { kind: 'x', at: middleCell(this.state) };
    this.focus = null;
    this.transport.reset();
    return true;
  }

  write() {
    if (this.inLab) return;
    clearTimeout(this.writing);
    // Browsers refuse too many changes of the address in a short time.
    this.writing = setTimeout(() => history.replaceState(history.state, '',
      '#' + encode(this.state)), 120);
  }

  /** Take a new part of the state over and show it. */
  change(part, keepMessage = false) {
    const before = this.state;
    this.state = changed(before, part);
    if (!keepMessage) this.tell('');
    if (KEYS.some((key) => this.state[key] !== before[key])) {
      this.transport.reset();
      this.focus = null;
      this.pinned = this.keep(this.pinned);
    }
    this.refresh();
    this.write();
  }

  /** A choice that still exists, or the middle input cell. */
  keep(choice) {
    const { h, w, k } = this.state;
    const [rows, cols] = sizes(this.state);
    const counts = { x: h * w, k: k * k, y: rows * cols };
    if (choice && choice.at < counts[choice.kind]) return choice;
    return { kind: 'x', at: middleCell(this.state) };
  }

  /** Compute everything that follows from the state; draw it. */
  refresh() {
    const { state } = this;
    this.X = inputValues(state);
    this.K = kernelValues(state);
    this.Y = scatter(this.X, this.K, state);
    [this.rows, this.cols] = sizes(state);
    this.full = stamped(this.X, this.K, state);
    this.spread = spread(this.X, state);
    this.entries = matrixEntries(state);
    for (const part of this.parts) part.show();
    this.shade();
    this.layout();
    this.look(this.focus, true);
  }

  values(kind) { return kind === 'x' ? this.X : this.K; }

  /** The values of the whole board as far as the steps have come. */
  get shown() {
    const { frame, order } = this.transport;
    return frame === null || order === 'y' ? this.full.values
      : stamped(this.X, this.K, this.state, frame + 1).values;
  }

  /** The board of the spread input. */
  get wide() { return this.gather.board; }

  /** The kernel cell in an entry of the matrix, undefined if it is 0. */
  tapAt(row, col) {
    const { entries } = this;
    return entries.tap[entries.row.findIndex((r, e) =>
      r === row && entries.col[e] === col)];
  }

  // ------------------------------------------------------------ choices

  same(one, other) {
    return one === other || (one && other && one.kind === other.kind &&
      one.at === other.at && one.row === other.row && one.col === other.col);
  }

  pin(choice, always = false) {
    const steps = this.transport.frame !== null;
    this.pinned = !always && !steps && this.same(choice, this.pinned) ? null
      : choice;
    if (steps) this.transport.finish(false);
    this.look(null, true);
  }

  /** Show what a choice touches; null goes back to the kept choice. */
  look(choice, force = false) {
    const { playing, frame } = this.transport;
    if (!force && (playing || this.same(choice, this.focus))) return;
    if (choice && frame !== null && !playing) this.transport.finish(false);
    this.focus = choice;
    this.highlight();
  }

  /** Light all that belongs to the focus, the step or the kept choice. */
  highlight() {
    this.lit = this.touched(this.focus || this.transport.choice() ||
      this.pinned);
    for (const grid of this.grids) grid.aim(this.lit);
    if (this.laidOut) {
      for (const view of this.views) view.aim(this.lit, still());
    }
    this.readout.replaceChildren(...explain(this, this.lit.focus));
    for (const board of this.boards) board.dirty = true;
    this.wake();
  }

  /** What a choice touches: sets x and k of cells, the input cell whose
   * stamp and the output cell whose sum it is about (else null). */
  touched(focus) {
    const lit = { focus, x: null, k: null, stamp: null, cell: null };
    if (!focus) return lit;
    const { kind, at, row, col } = focus;
    if (kind === 'x') {
      lit.x = new Set([at]);
      lit.stamp = at;
    } else if (kind === 'k') {
      lit.k = new Set([at]);
    } else if (kind === 'y') {
      const found = terms(Math.floor(at / this.cols), at % this.cols,
        this.state);
      lit.x = new Set(found.map((term) => term.cell));
      lit.k = new Set(found.map((term) => term.tap));
      lit.cell = at;
    } else {
      const tap = this.tapAt(row, col);
      lit.x = new Set([col]);
      lit.k = new Set(tap === undefined ? [] : [tap]);
      lit.stamp = col;
      lit.cell = row;
    }
    return lit;
  }

  // --------------------------------------------------------------- text

  tell(text, bad = false) {
    this.message.textContent = text || HINT;
    this.message.classList.toggle('is-bad', bad && Boolean(text));
    this.message.classList.toggle('is-note', !bad && Boolean(text));
  }

  /** Have a screen reader say a text. */
  say(text) { this.spoken.textContent = text; }

  /** Have the readout said, once the keys rest. */
  announce() {
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => this.say(Array.from(
      this.readout.children, (child) => child.textContent).slice(0, 2)
      .join(' ')), 250);
  }

  // ------------------------------------------------------------ drawing

  /** Colour everything for the present values and scheme. */
  shade() {
    const make = (values) => new Shades(this.palette, values);
    this.shades = {
      x: make(this.X), k: make(this.K), y: make(this.full.values),
    };
    for (const part of [...this.grids, this.overlap]) part.shade();
    for (const board of this.boards) board.stale = true;
    this.wake();
  }

  layout() {
    const width = this.root.clientWidth - 32;
    if (width < 100) return; // hidden, or not on the page
    this.laidOut = true;
    const narrow = width < 560;
    this.root.classList.toggle('is-narrow', narrow);
    const side = narrow ? (width - 16) / 2 : Math.min(width * 0.3, 250);
    const half = narrow ? width : (width - 24) / 2;
    this.root.style.setProperty('--side', `${Math.ceil(side)}px`);
    for (const grid of this.grids) grid.layout(side);
    this.scatter.layout((narrow ? width : width - side - 24) - 4,
      narrow ? 420 : 430);
    this.gather.layout(half - 4);
    this.matrix.layout(half - 4);
    this.overlap.layout(half, narrow ? 300 : 260);
    this.shade();
    this.highlight();
  }

  wake() {
    if (this.awake || !this.laidOut) return;
    this.awake = true;
    this.last = performance.now();
    requestAnimationFrame((now) => this.draw(now));
  }

  draw(now) {
    if (!this.root.isConnected) { this.awake = false; return; }
    const begin = performance.now();
    const ms = Math.max(0, Math.min(now - this.last, 100));
    this.last = now;
    let busy = this.transport.playing;
    if (busy) this.transport.tick(ms);
    for (const glide of Object.values(this.glides)) {
      if (glide.move(ms)) busy = true;
    }
    if (busy) for (const view of this.views) view.board.dirty = true;
    for (const board of this.boards) {
      if (!board.hidden) board.paint();
    }
    this.frames.push(performance.now() - begin);
    if (this.frames.length > 600) this.frames.shift();
    this.awake = busy;
    if (busy) requestAnimationFrame((next) => this.draw(next));
  }
}

function make(place) {
  place.explorer = new Explorer(place);
  globalThis.tconvMath = { // to compute along on the page
    LIMITS, KEYS, INPUTS, KERNELS, START, refusal, settle, encode, decode,
    outputSize, sizes, scatter, gather, multiply, inside, overlapRule,
  };
}
