/* The transposed-convolution explorer: one operation, three linked views.
 *
 * Needs widget.js and tconv-math.js. The state lives in `this.state`; what
 * the reader points at lives in `this.focus`; everything drawn follows from
 * the two. Canvases are repainted only when something on them changed.
 */
(() => {
  'use strict';
  const M = globalThis.tconvMath;
  const { el, onTheme, still, mount, sized, number } = globalThis.bookWidgets;

  const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, Arial, ' +
    'sans-serif';
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
  const FIELDS = [
    ['h', 'Input height', 'h'], ['w', 'Input width', 'w'],
    ['k', 'Kernel', 'k'], ['s', 'Stride', 's'],
    ['p', 'Padding', 'p'], ['a', 'Output padding', 'a'],
  ];
  const HINT = 'Point at a cell to see what it touches. Type to change it, ' +
    'drag to copy it into others.';
  const ICONS = {
    play: 'M4 2.5v11l9-5.5z',
    pause: 'M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z',
    back: 'M11.5 3v10L4.5 8zM2.5 3h1.8v10H2.5z',
    forward: 'M4.5 3v10l7-5zM11.7 3h1.8v10h-1.8z',
    all: 'M8 2.5A5.5 5.5 0 1 0 13.5 8h-1.8A3.7 3.7 0 1 1 8 4.3V7l4-3.6' +
      'L8 0z',
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

  function icon(name) {
    const space = 'http://www.w3.org/2000/svg';
    const svg = document.createElementNS(space, 'svg');
    svg.setAttribute('viewBox', '0 0 16 16');
    svg.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS(space, 'path');
    path.setAttribute('d', ICONS[name]);
    svg.append(path);
    return svg;
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

  /** A rectangle that glides to where it is sent. */
  class Glide {
    constructor() { this.at = null; this.to = null; }

    send(rect, jump) {
      if (!rect) { this.at = this.to = null; return; }
      this.to = rect;
      if (!this.at || jump) this.at = rect.slice();
    }

    /** One frame of `ms`; true while it still moves. */
    move(ms) {
      if (!this.at) return false;
      const t = 1 - Math.exp(-ms / 45);
      let far = 0;
      for (let n = 0; n < 4; n++) {
        const gap = this.to[n] - this.at[n];
        far = Math.max(far, Math.abs(gap));
        this.at[n] += gap * t;
      }
      if (far < 0.3) this.at = this.to.slice();
      return far >= 0.3;
    }
  }

  /** A canvas with a kept base picture and a light overlay. */
  class Board {
    constructor(paintBase, paintOver) {
      this.canvas = el('canvas');
      this.base = document.createElement('canvas');
      this.paintBase = paintBase;
      this.paintOver = paintOver;
      this.stale = true; // the base must be painted again
      this.dirty = true; // the overlay must be painted again
      this.width = 10;
      this.height = 10;
    }

    size(width, height) {
      this.width = width;
      this.height = height;
      this.stale = true;
    }

    paint() {
      if (!this.stale && !this.dirty) return;
      const context = sized(this.canvas, this.width, this.height);
      if (this.stale) {
        const base = sized(this.base, this.width, this.height);
        base.clearRect(0, 0, this.width, this.height);
        this.paintBase(base, false);
        this.paleStale = true;
      }
      context.clearRect(0, 0, this.width, this.height);
      this.copy(context, 0, 0, this.width, this.height);
      this.paintOver(context);
      this.stale = this.dirty = false;
    }

    /** Put the pale picture on the canvas, for what is not pointed at. */
    fade(context) {
      if (this.paleStale) {
        this.pale = this.pale || document.createElement('canvas');
        const base = sized(this.pale, this.width, this.height);
        base.clearRect(0, 0, this.width, this.height);
        this.paintBase(base, true);
        this.paleStale = false;
      }
      context.clearRect(0, 0, this.width, this.height);
      context.drawImage(this.pale, 0, 0, this.width, this.height);
    }

    /** Copy a piece of the base to the canvas. */
    copy(context, x, y, width, height) {
      const ratio = this.base.width / this.width;
      if (width <= 0 || height <= 0) return;
      context.drawImage(this.base, x * ratio, y * ratio, width * ratio,
        height * ratio, x, y, width, height);
    }
  }

  /** A number as exact as a cell has room for, and its font size.
   *
   * Rather none than one that is more than 5 % off. */
  function cellText(value, cell) {
    const largest = Math.min(cell * 0.42, 15);
    for (const digits of [4, 3, 2, 1, 0]) {
      const off = Math.abs(Number(value.toFixed(digits)) - value);
      if (digits < 4 && off > 0.05 * Math.abs(value)) break;
      const text = number(value, digits);
      const size = Math.min(largest, (cell - 5) / (text.length * 0.56));
      if (size >= (digits > 2 ? 11 : digits ? 9 : 7.5)) return [text, size];
    }
    return ['', 0];
  }

  function outline(context, [x, y, width, height], colour, line = 2.5) {
    context.lineWidth = line;
    context.strokeStyle = colour;
    context.strokeRect(x, y, width, height);
  }

  class Explorer {
    constructor(place) {
      this.options = JSON.parse(place.dataset.options || '{}');
      this.inLab = Boolean(document.body.dataset.jpThemeLight);
      this.focus = null; // what the pointer or the keyboard is on
      this.pinned = null; // what was chosen
      this.frame = null; // step of the animation, null: all done
      this.order = 'x'; // the animation goes over input or output cells
      this.playing = false;
      this.speed = 2;
      this.heat = 'count';
      this.last = 0;
      this.frames = []; // of the last seconds, for measuring
      this.build(place);
      this.read(true);
      onTheme(this.root, (dark) => {
        this.dark = dark;
        this.palette = PALETTES[dark ? 'dark' : 'light'];
        this.shade();
      });
      new ResizeObserver(() => this.layout()).observe(this.root);
      addEventListener('hashchange', () => {
        if (this.root.isConnected) this.read(false);
      });
      this.ready = true;
      this.refresh();
    }

    // ------------------------------------------------------------ page

    build(place) {
      const first = !document.getElementById('tconv-output-size');
      this.sizeLabel = el('output', {
        'class': 'tconv-size', ...(first ? { id: 'tconv-output-size' } : {}),
      });
      this.message = el('p', { 'class': 'tconv-message', 'role': 'status' });
      this.spoken = el('div', { 'class': 'w-unseen', 'aria-live': 'polite' });
      this.readout = el('div', { 'class': 'tconv-readout' });
      this.root = el('section', {
        'class': 'book-widget tconv',
        'aria-label': 'Transposed convolution explorer',
      },
      this.buildControls(),
      this.message,
      this.buildFormula(),
      this.buildTransport(),
      this.buildViews(),
      this.buildOverlap(),
      this.spoken);
      place.append(this.root);
    }

    buildControls() {
      this.fields = {};
      const groups = FIELDS.map(([key, label, symbol]) => {
        const [low, high] = M.LIMITS[key];
        const box = el('input', {
          type: 'number', min: low, max: high, step: 1, inputmode: 'numeric',
          'aria-label': label,
        });
        const slider = el('input', {
          type: 'range', min: low, max: high, step: 1,
          'aria-label': `${label}, slider`,
        });
        box.addEventListener('input', () => this.ask(key, box.value, box));
        box.addEventListener('blur', () => this.showFields());
        box.addEventListener('keydown', (event) => {
          if (event.key === 'Enter') this.showFields();
        });
        slider.addEventListener('input',
          () => this.ask(key, slider.value, slider));
        this.fields[key] = { box, slider };
        return el('div', { 'class': 'tconv-field' },
          el('span', { 'class': 'tconv-label', 'aria-hidden': 'true' },
            label, ' ', el('var', {}, symbol)),
          el('div', { 'class': 'tconv-pair' }, box, slider));
      });
      return el('div', { 'class': 'tconv-controls' }, ...groups);
    }

    buildFormula() {
      this.sums = { h: el('span'), w: el('span') };
      this.code = el('code');
      this.copyButton = el('button', {
        type: 'button', 'class': 'tconv-copy',
        onclick: () => this.copy(M.gluon(this.state), this.copyButton),
      }, 'Copy code');
      this.linkButton = el('button', {
        type: 'button', 'class': 'tconv-copy',
        onclick: () => this.copy(
          location.href.replace(/#.*$/, '') + '#' + M.encode(this.state),
          this.linkButton),
      }, 'Copy link');
      if (this.inLab) this.linkButton.hidden = true;
      const rule = el('p', { 'class': 'tconv-rule' });
      rule.innerHTML = '<var>o</var>′ = <var>s</var> (<var>i</var>′ − 1) + ' +
        '<var>k</var> − 2<var>p</var> + <var>a</var>';
      return el('div', { 'class': 'tconv-formula' },
        el('div', { 'class': 'tconv-sums' },
          rule,
          el('p', {}, el('span', { 'class': 'tconv-label' }, 'height'),
            this.sums.h),
          el('p', {}, el('span', { 'class': 'tconv-label' }, 'width'),
            this.sums.w)),
        el('p', { 'class': 'tconv-result' },
          el('span', { 'class': 'tconv-label' }, 'Output size'),
          this.sizeLabel),
        el('div', { 'class': 'tconv-code' },
          this.code, this.copyButton, this.linkButton));
    }

    buildTransport() {
      const button = (name, label, action) => el('button', {
        type: 'button', 'class': 'tconv-icon', 'aria-label': label,
        title: label, onclick: action,
      }, icon(name));
      this.playButton = button('play', 'Play', () => this.play());
      this.orders = {};
      const order = (key, label) => {
        this.orders[key] = el('button', {
          type: 'button', 'aria-pressed': String(key === this.order),
          onclick: () => this.setOrder(key),
        }, label);
        return this.orders[key];
      };
      this.progress = el('span', { 'class': 'tconv-progress' });
      const speed = el('input', {
        type: 'range', min: -1, max: 4, step: 0.5, value: 1,
        'aria-label': 'Speed',
      });
      speed.addEventListener('input', () => {
        this.speed = 2 ** Number(speed.value);
        speed.setAttribute('aria-valuetext',
          `${number(this.speed, 1)} steps a second`);
      });
      return el('div', { 'class': 'tconv-transport' },
        el('div', { 'class': 'tconv-row', role: 'group',
          'aria-label': 'Step through' },
        button('back', 'One step back', () => this.step(-1)),
        this.playButton,
        button('forward', 'One step on', () => this.step(1)),
        button('all', 'Show all steps done', () => this.finish())),
        el('div', { 'class': 'tconv-row', role: 'group',
          'aria-label': 'Order of the steps' },
        order('x', 'stamp by stamp'),
        order('y', 'cell by cell')),
        el('label', { 'class': 'tconv-row' },
          el('span', { 'class': 'tconv-label' }, 'Speed'), speed),
        this.progress);
    }

    buildViews() {
      this.grids = {
        x: this.buildGrid('x', 'Input X', M.INPUTS),
        k: this.buildGrid('k', 'Kernel K', M.KERNELS),
      };
      const app = (board, name, keys) => {
        const frame = el('div', {
          'class': 'tconv-canvas', role: 'application', tabindex: '0',
          'aria-label': name,
        }, board.canvas);
        frame.addEventListener('keydown', keys);
        return frame;
      };
      const outKeys = (event) => this.outputKey(event);

      this.y = new Board((c, pale) => this.paintOutput(c, pale),
        (c) => this.paintOutputFocus(c));
      this.y.frame = app(this.y, 'Output cells. Arrow keys move, Enter ' +
        'keeps the choice.', outKeys);
      this.wide = new Board((c, pale) => this.paintSpread(c, pale),
        (c) => this.paintSpreadFocus(c));
      this.wide.frame = app(this.wide, 'Spread input with the window of ' +
        'one output cell. Arrow keys move the window.', outKeys);
      this.matrix = new Board((c, pale) => this.paintMatrix(c, pale),
        (c) => this.paintMatrixFocus(c));
      this.matrix.frame = app(this.matrix, 'Transposed matrix. Arrow keys ' +
        'move over rows and columns.', (event) => this.matrixKey(event));
      this.turned = new Board((c, pale) => this.paintTurned(c, pale),
        (c) => this.paintTurnedFocus(c));
      this.turned.canvas.setAttribute('aria-hidden', 'true');

      this.glides = {
        stamp: new Glide(), cell: new Glide(), window: new Glide(),
        row: new Glide(), column: new Glide(),
      };
      this.pointer(this.y.frame, (x, y) => this.outputAt(x, y));
      this.pointer(this.wide.frame, (x, y) => this.windowAt(x, y));
      this.pointer(this.matrix.frame, (x, y) => this.entryAt(x, y));

      this.say = { y: el('p'), wide: el('p'), matrix: el('p') };
      for (const text of Object.values(this.say)) {
        text.className = 'tconv-say';
      }
      this.matrixTitle = el('h3', {}, 'Matrix');
      return el('div', { 'class': 'tconv-views' },
        el('div', { 'class': 'tconv-operands' },
          this.grids.x.box, this.grids.k.box),
        el('div', { 'class': 'tconv-view tconv-scatter' },
          el('h3', {}, 'Scatter ', el('small', {}, 'Output Y')),
          this.say.y, this.y.frame),
        this.readout,
        el('div', { 'class': 'tconv-view' },
          el('h3', {}, 'Gather ', el('small', {}, 'Spread input')),
          el('div', { 'class': 'tconv-beside' }, this.say.wide,
            el('div', { 'class': 'tconv-turned' }, this.turned.canvas,
              el('p', {}, 'K turned'))),
          this.wide.frame),
        el('div', { 'class': 'tconv-view' },
          this.matrixTitle, this.say.matrix, this.matrix.frame));
    }

    /** An editable grid of real elements: the input or the kernel. */
    buildGrid(kind, title, presets) {
      const grid = { kind, cells: [], rows: 0, cols: 0, current: 0 };
      grid.select = el('select', { 'aria-label': `${title}, preset` });
      for (const name of [...presets, 'edited']) {
        grid.select.append(el('option', { value: name }, name));
      }
      grid.select.addEventListener('change',
        () => this.preset(kind, grid.select.value));
      grid.again = el('button', {
        type: 'button', 'aria-label': 'Other random numbers',
        title: 'Other random numbers', onclick: () => this.preset(kind,
          'random', (this.state.kernel.seed % 99) + 1),
      }, '↻');
      grid.table = el('div', {
        'class': 'tconv-grid', role: 'grid', 'data-kind': kind,
        'aria-label': `${title}. Arrow keys move, Enter keeps the choice, ` +
          'digits or plus and minus change the cell.',
      });
      grid.table.addEventListener('keydown', (e) => this.gridKey(grid, e));
      grid.table.addEventListener('focusin', (event) => {
        const at = grid.cells.indexOf(event.target);
        if (at >= 0) { this.moveTo(grid, at); this.look({ kind, at }); }
      });
      grid.table.addEventListener('focusout', (event) => {
        if (!grid.table.contains(event.relatedTarget)) this.look(null);
      });
      grid.table.addEventListener('dblclick', (event) => {
        const at = this.cellAt(grid, event);
        if (at >= 0) this.edit(grid, at);
      });
      this.gridPointer(grid);
      grid.box = el('div', { 'class': 'tconv-operand' },
        el('div', { 'class': 'tconv-head' }, el('h3', {}, title),
          grid.select, grid.again),
        grid.table);
      return grid;
    }

    buildOverlap() {
      this.heats = [0, 1].map((layer) => {
        const board = new Board((c) => this.paintHeat(c, layer),
          (c) => this.paintHeatFocus(c, layer));
        board.canvas.setAttribute('role', 'img');
        board.say = el('p', { 'class': 'tconv-say' });
        board.figure = el('div', {}, board.canvas, board.say);
        return board;
      });
      this.heatKinds = {};
      const kind = (key, label) => {
        this.heatKinds[key] = el('button', {
          type: 'button', 'aria-pressed': String(key === this.heat),
          onclick: () => {
            this.heat = key;
            for (const [name, button] of Object.entries(this.heatKinds)) {
              button.setAttribute('aria-pressed', String(name === key));
            }
            this.computeHeat();
            this.layout();
          },
        }, label);
        return this.heatKinds[key];
      };
      this.twoBox = el('input', { type: 'checkbox' });
      this.twoBox.addEventListener('change', () => this.change(
        { two: this.twoBox.checked }));
      this.ruleText = el('p', { 'class': 'tconv-say' });
      return el('div', { 'class': 'tconv-overlap' },
        el('div', { 'class': 'tconv-head' },
          el('h3', {}, 'Overlap'),
          el('div', { 'class': 'tconv-row', role: 'group',
            'aria-label': 'What the heat map shows' },
          kind('count', 'number of stamps'),
          kind('value', 'all-ones input, this kernel')),
          el('label', { 'class': 'tconv-row' }, this.twoBox,
            'second layer')),
        this.ruleText,
        el('div', { 'class': 'tconv-heats' },
          ...this.heats.map((board) => board.figure)));
    }

    // ----------------------------------------------------------- state

    /** The state from the address, or the one to start with. */
    read(opening) {
      const hash = this.inLab ? '' : location.hash;
      if (M.speaks(hash)) {
        const { state, error } = M.decode(hash);
        this.state = state;
        if (error) {
          this.tell(`The address describes no valid layer: ${error}. ` +
            'The starting layer is shown instead.', true);
        } else {
          this.tell('');
        }
        if (opening) {
          const show = () => this.root.scrollIntoView({ block: 'start' });
          requestAnimationFrame(show);
          addEventListener('load', show, { once: true });
        }
      } else if (opening) {
        const start = this.options.state;
        this.state = start ? M.decode(start).state : { ...M.START };
        this.tell('');
      } else {
        return; // a heading's anchor
      }
      this.pinned = { kind: 'x', at: this.middle() };
      this.focus = null;
      this.stop();
      this.frame = null;
      if (this.ready) this.refresh();
    }

    /** The input cell nearest the middle that is not 0, if there is one. */
    middle() {
      const { h, w } = this.state;
      const X = M.inputValues(this.state);
      const [i, j] = [Math.floor((h - 1) / 2), Math.floor((w - 1) / 2)];
      let best = i * w + j;
      let least = Infinity;
      X.forEach((value, at) => {
        const far = Math.hypot(Math.floor(at / w) - i, at % w - j);
        if (value && far < least) [best, least] = [at, far];
      });
      return best;
    }

    write() {
      if (this.inLab) return;
      clearTimeout(this.writing);
      // Browsers refuse too many changes of the address in a short time.
      this.writing = setTimeout(() => history.replaceState(history.state, '',
        '#' + M.encode(this.state)), 120);
    }

    /** A control asks for a value; a refused one says why. */
    ask(key, text, source) {
      const value = text.trim() === '' ? NaN : Number(text);
      if (source.type === 'number' && Number.isNaN(value)) {
        source.setAttribute('aria-invalid', 'true');
        this.tell(`The ${M.NAMES[key]} must be a whole number.`, true);
        return;
      }
      const wanted = { ...this.state, [key]: value };
      let reason;
      let notes = [];
      let state = wanted;
      if (key !== 'p' && key !== 'a') {
        const [low, high] = M.LIMITS[key];
        if (Number.isInteger(value) && value >= low && value <= high) {
          ({ state, notes } = M.settle(wanted));
        }
      }
      reason = M.refusal(state);
      if (key === 'a' && reason && value < this.state.s) {
        ({ state, notes } = M.settle(wanted));
        reason = M.refusal(state);
      }
      if (reason) {
        this.tell(reason, true);
        if (source.type === 'range') {
          const most = key === 'a' ? this.state.s - 1
            : M.largestPadding(this.state);
          const near = Math.min(value, most);
          if (near !== this.state[key]) this.change({ [key]: near }, true);
          this.showFields();
          return;
        }
        source.setAttribute('aria-invalid', 'true');
        return;
      }
      source.removeAttribute('aria-invalid');
      this.tell(notes.join(' '));
      this.change(state, true);
    }

    /** Take a new state over and show it. */
    change(part, keepMessage = false) {
      const before = this.state;
      const state = { ...before, ...part };
      if (state.input.values && (state.h !== before.h ||
          state.w !== before.w) && state.input === before.input) {
        state.input = { preset: 'edited', values: M.resize(
          before.input.values, before.h, before.w, state.h, state.w) };
      }
      if (state.kernel.values && state.k !== before.k &&
          state.kernel === before.kernel) {
        state.kernel = { ...before.kernel, values: M.resize(
          before.kernel.values, before.k, before.k, state.k, state.k) };
      }
      const moved = M.KEYS.some((key) => state[key] !== before[key]);
      this.state = state;
      if (!keepMessage) this.tell('');
      if (moved) {
        this.stop();
        this.frame = null;
        this.focus = null;
        this.pinned = this.keep(this.pinned);
      }
      this.refresh();
      this.write();
    }

    /** A choice that still exists, or the middle input cell. */
    keep(choice) {
      const { h, w, k } = this.state;
      const [rows, cols] = M.sizes(this.state);
      const counts = { x: h * w, k: k * k, y: rows * cols };
      if (choice && choice.kind !== 'm' && choice.at < counts[choice.kind]) {
        return choice;
      }
      return { kind: 'x', at: this.middle() };
    }

    preset(kind, name, seed = 1) {
      const part = kind === 'x' ? 'input' : 'kernel';
      if (name === 'edited') {
        const values = Float64Array.from(this.values(kind));
        this.change({ [part]: { ...this.state[part], preset: name, values } });
      } else {
        this.change({ [part]: { preset: name, seed } });
      }
    }

    values(kind) { return kind === 'x' ? this.X : this.K; }

    setCell(kind, at, value) {
      const rounded = Math.round(value * 1000) / 1000;
      const bounded = Math.max(-M.LARGEST, Math.min(M.LARGEST, rounded));
      const values = Float64Array.from(this.values(kind));
      values[at] = bounded;
      const part = kind === 'x' ? 'input' : 'kernel';
      this.change({ [part]: {
        ...this.state[part], preset: 'edited', values,
      } });
    }

    /** Compute everything that follows from the state; draw it. */
    refresh() {
      const { state } = this;
      this.X = M.inputValues(state);
      this.K = M.kernelValues(state);
      this.Y = M.scatter(this.X, this.K, state);
      this.spread = M.spread(this.X, state);
      [this.rows, this.cols] = M.sizes(state);
      this.full = M.board(this.X, this.K, state);
      const shape = M.KEYS.map((key) => state[key]).join();
      if (shape !== this.shape) {
        this.shape = shape;
        this.entries = M.entries(state);
        this.lookup = new Map();
        this.entries.row.forEach((row, e) => this.lookup.set(
          row * this.entries.cols + this.entries.col[e],
          this.entries.tap[e]));
      }
      this.computeFrame();
      this.computeHeat();
      this.showFields();
      this.showFormula();
      this.showGrid(this.grids.x, state.h, state.w, this.X);
      this.showGrid(this.grids.k, state.k, state.k, this.K);
      this.showSentences();
      this.shade();
      this.layout();
      this.look(this.focus, true);
    }

    computeFrame() {
      const { frame, order, state } = this;
      if (frame === null || order === 'y') {
        this.shown = this.full.values;
      } else {
        this.shown = M.board(this.X, this.K, state, frame + 1).values;
      }
    }

    computeHeat() {
      const { state } = this;
      const { h, w, k } = state;
      this.ruleText.textContent = M.overlapRule(state).text;
      this.heatData = [];
      const layers = state.two ? 2 : 1;
      if (this.heat === 'count') {
        for (let l = 1; l <= layers; l++) {
          const down = M.paths(h, state, l);
          const across = M.paths(w, state, l);
          if (!down.length || !across.length) break;
          const values = new Float64Array(down.length * across.length);
          down.forEach((a, i) => across.forEach((b, j) => {
            values[i * across.length + j] = a * b;
          }));
          this.heatData.push({ rows: down.length, cols: across.length,
            values });
        }
      } else {
        let at = { rows: h, cols: w, values: new Float64Array(h * w).fill(1) };
        for (let l = 1; l <= layers; l++) {
          const here = { ...state, h: at.rows, w: at.cols, k };
          const [rows, cols] = M.sizes(here);
          if (rows < 1 || cols < 1) break;
          at = { rows, cols, values: M.scatter(at.values, this.K, here) };
          this.heatData.push(at);
        }
      }
    }

    // ------------------------------------------------------------ text

    tell(text, bad = false) {
      this.message.textContent = text || HINT;
      this.message.classList.toggle('is-bad', bad && Boolean(text));
      this.message.classList.toggle('is-note', !bad && Boolean(text));
    }

    showFields() {
      for (const [key, { box, slider }] of Object.entries(this.fields)) {
        const value = String(this.state[key]);
        const kept = box === document.activeElement &&
          Number(box.value) === this.state[key] && box.value !== '';
        if (!kept) box.value = value;
        slider.value = value;
        box.removeAttribute('aria-invalid');
        const [low, high] = M.LIMITS[key];
        const most = key === 'a' ? this.state.s - 1
          : key === 'p' ? M.largestPadding(this.state) : high;
        const share = (n) => `${100 * (n - low) / (high - low)}%`;
        slider.style.setProperty('--open', share(Math.min(most, high)));
      }
      this.twoBox.checked = this.state.two;
    }

    showFormula() {
      const { h, w, k, s, p, a } = this.state;
      for (const [key, i] of [['h', h], ['w', w]]) {
        this.sums[key].textContent = `${s} (${i} − 1) + ${k} − 2 · ${p} + ` +
          `${a} = ${M.outputSize(i, k, s, p, a)}`;
      }
      this.sizeLabel.textContent = `${this.rows} × ${this.cols}`;
      this.code.textContent = M.gluon(this.state);
    }

    showSentences() {
      const { h, w, k, s, p, a } = this.state;
      const cells = (n, one, many) => `${n} ${n === 1 ? one : many}`;
      const cut = p || a;
      this.say.y.textContent =
        'Every input cell stamps its multiple of the kernel, ' +
        `${cells(s, 'cell', 'cells')} apart; where stamps overlap, they ` +
        'add up.' + (cut ? ' The frame is the output' : '') +
        (p ? `: padding cuts ${cells(p, 'cell', 'cells')} off each side` : '') +
        (a ? `${p ? ', ' : ': '}output padding gives ${a} back at the ` +
          'bottom and right' : '') + (cut ? '.' : '');
      this.say.wide.textContent = 'An ordinary convolution: the turned ' +
        `kernel slides in steps of 1 over the input, spread out with ${cells(
          s - 1, 'zero', 'zeros')} between cells and ${cells(
          k - 1 - p, 'zero', 'zeros')} around` +
        (a ? ` (${a} more below and right).` : '.');
      this.matrixTitle.replaceChildren('Matrix ', el('small', {},
        `Wᵀ, ${this.rows * this.cols} × ${h * w}`));
      this.say.matrix.textContent = 'Output and input written as columns: ' +
        'each column of the matrix is one stamp, each row collects one ' +
        'output cell.';
    }

    /** Say in numbers what the focus touches. */
    showReadout(focus) {
      const { readout } = this;
      readout.replaceChildren();
      if (!focus) {
        readout.append(el('p', { 'class': 'tconv-hint' }, 'Point at a cell ' +
          'of any grid to see its arithmetic; click to keep it.'));
        return '';
      }
      const line = el('p');
      readout.append(line);
      if (focus.kind === 'x') this.readInput(focus.at, line);
      else if (focus.kind === 'k') this.readTap(focus.at, line);
      else if (focus.kind === 'y') this.readOutput(focus.at, line);
      else this.readEntry(focus, line);
      return line.textContent;
    }

    name(kind, at) {
      const cols = { x: this.state.w, k: this.state.k, y: this.cols }[kind];
      return el('b', { 'class': `tconv-${kind}` },
        `${kind.toUpperCase()}[${Math.floor(at / cols)}, ${at % cols}]`);
    }

    num(kind, value) {
      return el('span', { 'class': `tconv-${kind}` }, number(value));
    }

    readInput(at, line) {
      const { w, k, s, p } = this.state;
      const top = s * Math.floor(at / w) - p;
      const left = s * (at % w) - p;
      const value = this.X[at];
      const range = (low, high) => low >= high ? `${high}` : `${low}–${high}`;
      const [r0, r1] = [Math.max(top, 0), Math.min(top + k, this.rows) - 1];
      const [c0, c1] = [Math.max(left, 0), Math.min(left + k, this.cols) - 1];
      const inside = Math.max(r1 - r0 + 1, 0) * Math.max(c1 - c0 + 1, 0);
      line.append(this.name('x', at), ' = ', this.num('x', value),
        ' stamps ', this.num('x', value), ' × ',
        el('b', { 'class': 'tconv-k' }, 'K'), ' onto ');
      if (inside) {
        line.append(`rows ${range(r0, r1)}, columns ${range(c0, c1)} of `,
          el('b', { 'class': 'tconv-y' }, 'Y'));
        if (inside < k * k) {
          line.append(`; padding cuts off ${k * k - inside} of its ` +
            `${k * k} cells`);
        }
        line.append('.');
      } else {
        line.append('cells that padding cuts off.');
      }
      const products = el('div', {
        'class': 'tconv-products', style: `--k: ${k}`,
      });
      for (let t = 0; t < k * k; t++) {
        const m = top + Math.floor(t / k);
        const n = left + t % k;
        const out = m < 0 || n < 0 || m >= this.rows || n >= this.cols;
        products.append(el('span', out ? { 'class': 'is-cut' } : {},
          number(value * this.K[t], 2)));
      }
      let first = 0; // the product with the largest weight, as an example
      this.K.forEach((weight, t) => {
        if (Math.abs(weight) > Math.abs(this.K[first])) first = t;
      });
      this.readout.append(el('div', { 'class': 'tconv-worked' },
        el('span', {}, this.num('x', value), ' × ',
          el('b', { 'class': 'tconv-k' }, 'K'), ' ='), products,
        el('span', { 'class': 'tconv-quiet' }, 'for example ',
          this.num('x', value), ' × ', this.num('k', this.K[first]), ' = ',
          number(value * this.K[first]))));
    }

    readOutput(at, line) {
      const m = Math.floor(at / this.cols);
      const n = at % this.cols;
      const found = M.terms(m, n, this.state);
      if (!found.length) {
        line.append('No stamp reaches ', this.name('y', at),
          ': it stays 0.');
        return;
      }
      line.append(this.name('y', at), ' collects ', String(found.length),
        found.length === 1 ? ' product: ' : ' products: ');
      if (found.length <= 4) {
        found.forEach(({ cell, tap }, n2) => line.append(n2 ? ' + ' : '',
          this.name('x', cell), ' ', this.name('k', tap)));
      } else {
        line.append('one for each stamp that reaches it.');
      }
      const sum = el('p', { 'class': 'tconv-sum' }, '= ');
      found.forEach(({ cell, tap }, n2) => {
        const k = this.K[tap];
        sum.append(n2 ? ' + ' : '', this.num('x', this.X[cell]), '·',
          ...(k < 0 ? ['(', this.num('k', k), ')'] : [this.num('k', k)]));
      });
      sum.append(' = ', el('b', { 'class': 'tconv-y' },
        number(this.Y[at])));
      this.readout.append(sum);
    }

    readTap(tap, line) {
      const { h, w, k, s, p } = this.state;
      const u = Math.floor(tap / k);
      const v = tap % k;
      const used = this.entries.tap.reduce((n, t) => n + (t === tap), 0);
      const place = (letter, shift) => {
        const front = s === 1 ? letter : `${s}${letter}`;
        return shift ? `${front} ${shift > 0 ? '+' : '−'} ${Math.abs(shift)}`
          : front;
      };
      line.append(this.name('k', tap), ' = ', this.num('k', this.K[tap]),
        ' meets every input cell once: ', this.num('k', this.K[tap]), ' · ',
        el('b', { 'class': 'tconv-x' }, 'X[i, j]'), ' goes to ',
        el('b', { 'class': 'tconv-y' },
          `Y[${place('i', u - p)}, ${place('j', v - p)}]`));
      line.append(used < h * w
        ? `; ${h * w - used} of ${h * w} fall outside the output.` : '.');
      const sum = el('p', { 'class': 'tconv-sum' });
      let listed = 0;
      for (let e = 0; e < this.entries.tap.length && listed < 8; e++) {
        if (this.entries.tap[e] !== tap) continue;
        const cell = this.entries.col[e];
        sum.append(listed ? ',  ' : '', this.num('k', this.K[tap]), '·',
          this.num('x', this.X[cell]), ' = ',
          number(this.K[tap] * this.X[cell]), ' → ',
          this.name('y', this.entries.row[e]));
        listed += 1;
      }
      if (used > listed) sum.append(', …');
      this.readout.append(sum);
    }

    readEntry({ row, col }, line) {
      const tap = this.lookup.get(row * this.entries.cols + col);
      line.append(`Row ${row} of Wᵀ makes `, this.name('y', row),
        `, column ${col} belongs to `, this.name('x', col), '. ');
      if (tap === undefined) {
        line.append('Their entry is 0: the stamp does not reach that cell.');
      } else {
        line.append('Their entry is ', this.name('k', tap), ' = ',
          this.num('k', this.K[tap]), ', so ',
          this.num('x', this.X[col]), '·', this.num('k', this.K[tap]),
          ' = ', number(this.X[col] * this.K[tap]), ' of ',
          el('b', { 'class': 'tconv-y' }, number(this.Y[row])),
          ' comes from here.');
      }
    }

    async copy(text, button) {
      let done = true;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        const area = el('textarea', { 'aria-hidden': 'true' });
        area.value = text;
        this.root.append(area);
        area.select();
        done = document.execCommand('copy');
        area.remove();
        button.focus();
      }
      const label = button.dataset.label || button.textContent;
      button.dataset.label = label;
      button.textContent = done ? 'Copied' : 'Not copied';
      this.spoken.textContent = button.textContent;
      setTimeout(() => { button.textContent = label; }, 1500);
    }

    // ----------------------------------------------------------- grids

    showGrid(grid, rows, cols, values) {
      if (grid.rows !== rows || grid.cols !== cols) {
        const had = grid.table.contains(document.activeElement);
        grid.rows = rows;
        grid.cols = cols;
        grid.current = Math.min(grid.current, rows * cols - 1);
        grid.cells = [];
        grid.table.replaceChildren();
        grid.table.style.setProperty('--cols', cols);
        for (let i = 0; i < rows; i++) {
          const row = el('div', { role: 'row' });
          for (let j = 0; j < cols; j++) {
            const at = i * cols + j;
            const cell = el('div', {
              role: 'gridcell', tabindex: at === grid.current ? '0' : '-1',
            });
            grid.cells.push(cell);
            row.append(cell);
          }
          grid.table.append(row);
        }
        if (had) grid.cells[grid.current].focus();
      }
      grid.values = values;
      const part = grid.kind === 'x' ? this.state.input : this.state.kernel;
      grid.select.value = part.values ? 'edited' : part.preset;
      grid.again.hidden = part.preset !== 'random';
    }

    /** Colour everything for the present values and scheme. */
    shade() {
      if (!this.X || !this.palette) return;
      const make = (values, kind) => new Shades(this.palette, values, kind);
      this.shades = {
        x: make(this.X), k: make(this.K), y: make(this.full.values),
        heat: this.heatData.map(({ values }) => make(values,
          this.heat === 'count' ? 'count' : 'value')),
      };
      for (const kind of ['x', 'k']) {
        const shades = this.shades[kind];
        this.grids[kind].cells.forEach((cell, at) => {
          const value = this.values(kind)[at];
          if (!(cell.firstElementChild === document.activeElement &&
              cell.firstElementChild)) {
            const [text, size] = cellText(value, this.grids[kind].cell || 30);
            cell.textContent = text;
            cell.style.fontSize = `${size}px`;
          }
          cell.style.setProperty('--bg', shades.fill(value));
          cell.style.setProperty('--fg', shades.text(value));
          cell.style.setProperty('--pale-bg', shades.fill(value, true));
          cell.style.setProperty('--pale-fg', shades.text(value, true));
          cell.setAttribute('aria-label', `${kind.toUpperCase()}[${Math.floor(
            at / this.grids[kind].cols)}, ${at % this.grids[kind].cols}]: ` +
            number(value));
        });
      }
      this.stale();
    }

    stale() {
      for (const board of this.boards()) board.stale = true;
      this.wake();
    }

    boards() {
      return [this.y, this.wide, this.turned, this.matrix, ...this.heats];
    }

    moveTo(grid, at) {
      grid.cells[grid.current].tabIndex = -1;
      grid.current = at;
      grid.cells[at].tabIndex = 0;
    }

    gridKey(grid, event) {
      const at = grid.cells.indexOf(event.target);
      if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const { rows, cols, kind } = grid;
      const [i, j] = [Math.floor(at / cols), at % cols];
      const go = {
        ArrowUp: i > 0 ? at - cols : at,
        ArrowDown: i < rows - 1 ? at + cols : at,
        ArrowLeft: j > 0 ? at - 1 : at,
        ArrowRight: j < cols - 1 ? at + 1 : at,
        Home: i * cols, End: i * cols + cols - 1,
      }[event.key];
      const unit = kind === 'x' ? 1 : 0.25;
      if (go !== undefined) {
        this.stop();
        grid.cells[go].focus();
      } else if (event.key === 'Enter' || event.key === ' ') {
        this.pin({ kind, at });
      } else if (event.key === '+' || event.key === '=') {
        this.setCell(kind, at, grid.values[at] + unit);
      } else if (event.key === '-' || event.key === '−') {
        this.setCell(kind, at, grid.values[at] - unit);
      } else if (event.key === 'Delete' || event.key === 'Backspace') {
        this.setCell(kind, at, 0);
      } else if (event.key === 'F2') {
        this.edit(grid, at);
      } else if (/^[\d.,]$/.test(event.key)) {
        this.edit(grid, at, event.key.replace(',', '.'));
      } else if (event.key === 'Escape') {
        this.pin(null);
      } else {
        return;
      }
      event.preventDefault();
      if (go === undefined) this.announce();
    }

    /** Open a cell for typing. */
    edit(grid, at, begin = null) {
      const cell = grid.cells[at];
      const text = begin ?? String(grid.values[at]);
      const box = el('input', {
        type: 'text', 'aria-label': 'New value', maxlength: 8, value: text,
        autocomplete: 'off',
      });
      let open = true;
      const close = (keep) => {
        if (!open) return;
        open = false;
        const typed = box.value.trim().replace('−', '-').replace(',', '.');
        box.remove();
        const value = Number(typed);
        if (!keep || typed === '') {
          this.shade();
        } else if (Number.isNaN(value)) {
          this.shade();
          this.tell(`“${typed}” is refused: a cell holds a number.`, true);
        } else if (Math.abs(value) > M.LARGEST) {
          this.shade();
          this.tell(`${number(value)} is refused: a cell goes from ` +
            `−${M.LARGEST} to ${M.LARGEST}.`, true);
        } else {
          this.setCell(grid.kind, at, value);
        }
      };
      box.addEventListener('keydown', (event) => {
        event.stopPropagation();
        if (event.key === 'Enter' || event.key === 'Escape') {
          close(event.key === 'Enter');
          grid.cells[at].focus();
          event.preventDefault();
        }
      });
      box.addEventListener('pointerdown', (event) => event.stopPropagation());
      box.addEventListener('blur', () => close(true));
      cell.replaceChildren(box);
      box.focus();
      if (begin === null) box.select();
      else box.setSelectionRange(text.length, text.length);
    }

    /** The cell under the pointer (a captured pointer's target is the grid). */
    cellAt(grid, event) {
      const hit = document.elementFromPoint(event.clientX, event.clientY);
      return grid.cells.indexOf(hit && hit.closest('[role=gridcell]'));
    }

    /** Drag over a grid copies the first cell's value; a click chooses. */
    gridPointer(grid) {
      const { table, kind } = grid;
      let from = null;
      let painted = false;
      const find = (event) => this.cellAt(grid, event);
      table.addEventListener('pointerdown', (event) => {
        from = find(event);
        painted = false;
        if (from < 0 || event.button) { from = null; return; }
        // Focus without the browser's own text selection.
        event.preventDefault();
        this.stop();
        const wasChosen = this.pinned && this.pinned.kind === kind &&
          this.pinned.at === from && document.activeElement ===
          grid.cells[from];
        grid.cells[from].focus({ preventScroll: true });
        grid.press = { wasChosen, touch: event.pointerType !== 'mouse' };
        table.setPointerCapture(event.pointerId);
      });
      table.addEventListener('pointermove', (event) => {
        const at = find(event);
        if (at < 0) return;
        if (from === null) {
          if (event.pointerType === 'mouse') this.look({ kind, at });
          return;
        }
        if (at !== from || painted) {
          const value = grid.values[from];
          painted = true;
          if (grid.values[at] !== value) this.setCell(kind, at, value);
          this.look({ kind, at });
        }
      });
      const end = (event) => {
        if (from !== null && !painted && event.type === 'pointerup') {
          if (grid.press.wasChosen && grid.press.touch) this.edit(grid, from);
          else this.pin({ kind, at: from });
        }
        from = null;
      };
      table.addEventListener('pointerup', end);
      table.addEventListener('pointercancel', end);
      table.addEventListener('pointerleave', () => {
        if (from === null && !table.contains(document.activeElement)) {
          this.look(null);
        }
      });
    }

    // ------------------------------------------------------- pointing

    /** Pointer on a canvas: hover and drag look, a click keeps. */
    pointer(frame, find) {
      const at = (event) => {
        const box = frame.firstChild.getBoundingClientRect();
        return find(event.clientX - box.left, event.clientY - box.top);
      };
      let down = false;
      frame.addEventListener('pointermove', (event) => {
        if (down || event.pointerType === 'mouse') this.look(at(event));
      });
      frame.addEventListener('pointerdown', (event) => {
        if (event.button) return;
        down = true;
        this.stop();
        frame.setPointerCapture(event.pointerId);
        this.look(at(event));
      });
      frame.addEventListener('pointerup', (event) => {
        if (!down) return;
        down = false;
        const choice = at(event);
        if (choice) this.pin(choice);
      });
      frame.addEventListener('pointercancel', () => { down = false; });
      frame.addEventListener('pointerleave', () => {
        if (!down) this.look(null);
      });
    }

    outputAt(x, y) {
      const { p } = this.state;
      const m = Math.floor(y / this.yCell) - p;
      const n = Math.floor(x / this.yCell) - p;
      if (m < 0 || n < 0 || m >= this.rows || n >= this.cols) return null;
      return { kind: 'y', at: m * this.cols + n };
    }

    windowAt(x, y) {
      const half = Math.floor((this.state.k - 1) / 2);
      const bound = (value, most) => Math.max(0, Math.min(most - 1, value));
      const m = bound(Math.floor(y / this.wideCell) - half, this.rows);
      const n = bound(Math.floor(x / this.wideCell) - half, this.cols);
      return { kind: 'y', at: m * this.cols + n };
    }

    entryAt(x, y) {
      const g = this.geometry;
      const col = Math.floor((x - g.left) / g.cw);
      const row = Math.floor((y - g.top) / g.ch);
      const { rows, cols } = this.entries;
      const inCols = col >= 0 && col < cols;
      const inRows = row >= 0 && row < rows;
      if (inCols && inRows) return { kind: 'm', row, col };
      if (inCols && y < g.top) return { kind: 'x', at: col };
      if (inRows && x >= g.left + cols * g.cw) return { kind: 'y', at: row };
      return null;
    }

    outputKey(event) {
      const now = this.pinned && this.pinned.kind === 'y' ? this.pinned
        : this.focus && this.focus.kind === 'y' ? this.focus : null;
      const step = {
        ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
        ArrowRight: [0, 1],
      }[event.key];
      if (step) {
        let m = now ? Math.floor(now.at / this.cols) : 0;
        let n = now ? now.at % this.cols : 0;
        if (now) {
          m = Math.max(0, Math.min(this.rows - 1, m + step[0]));
          n = Math.max(0, Math.min(this.cols - 1, n + step[1]));
        }
        this.stop();
        this.pin({ kind: 'y', at: m * this.cols + n }, true);
      } else if (event.key === 'Home' || event.key === 'End') {
        this.pin({ kind: 'y', at: event.key === 'Home' ? 0
          : this.rows * this.cols - 1 }, true);
      } else if (event.key === 'Enter' || event.key === ' ') {
        this.pin(now || { kind: 'y', at: 0 }, true);
      } else if (event.key === 'Escape') {
        this.pin(null);
      } else {
        return;
      }
      event.preventDefault();
      this.announce();
    }

    matrixKey(event) {
      const now = this.pinned && this.pinned.kind === 'm' ? this.pinned
        : null;
      const step = {
        ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
        ArrowRight: [0, 1], Enter: [0, 0], ' ': [0, 0],
      }[event.key];
      if (event.key === 'Escape') {
        this.pin(null);
      } else if (step) {
        const { rows, cols } = this.entries;
        const bound = (value, most) => Math.max(0, Math.min(most - 1, value));
        this.stop();
        this.pin({
          kind: 'm', row: now ? bound(now.row + step[0], rows) : 0,
          col: now ? bound(now.col + step[1], cols) : 0,
        }, true);
      } else {
        return;
      }
      event.preventDefault();
      this.announce();
    }

    announce() {
      clearTimeout(this.speaking);
      this.speaking = setTimeout(() => {
        this.spoken.textContent = Array.from(this.readout.children,
          (child) => child.textContent).slice(0, 2).join(' ');
      }, 250);
    }

    same(one, other) {
      return one === other || (one && other && one.kind === other.kind &&
        one.at === other.at && one.row === other.row && one.col === other.col);
    }

    pin(choice, always = false) {
      this.pinned = !always && this.same(choice, this.pinned) &&
        this.frame === null ? null : choice;
      if (this.frame !== null) this.finish(false);
      this.look(null, true);
    }

    /** Show what a choice touches; null goes back to the kept choice. */
    look(choice, force = false) {
      if (this.playing && !force) return;
      if (!force && this.same(choice, this.focus)) return;
      if (choice && this.frame !== null && !this.playing) {
        this.finish(false);
      }
      this.focus = choice;
      const focus = choice || this.current();
      this.highlight(focus);
    }

    /** What the animation or the reader's choice points at. */
    current() {
      if (this.frame !== null) return { kind: this.order, at: this.frame };
      return this.pinned;
    }

    highlight(focus) {
      const { w, k, s, p } = this.state;
      const lit = { x: null, k: null, focus };
      lit.stamps = []; // of an output cell: where the stamps begin
      let stamp = null; // on the board, in board cells
      let window = null; // output cell under the window
      let row = null;
      let col = null;
      let cell = null;
      if (focus && focus.kind === 'x') {
        lit.x = new Set([focus.at]);
        stamp = col = focus.at;
      } else if (focus && focus.kind === 'y') {
        cell = window = row = focus.at;
      } else if (focus && focus.kind === 'm') {
        lit.x = new Set([focus.col]);
        const tap = this.lookup.get(
          focus.row * this.entries.cols + focus.col);
        lit.k = new Set(tap === undefined ? [] : [tap]);
        stamp = col = focus.col;
        cell = window = row = focus.row;
      } else if (focus) {
        lit.k = new Set([focus.at]);
      }
      if (focus && focus.kind === 'y') {
        const found = M.terms(Math.floor(cell / this.cols),
          cell % this.cols, this.state);
        lit.x = new Set(found.map((term) => term.cell));
        lit.k = new Set(found.map((term) => term.tap));
      }
      this.lit = lit;
      for (const kind of ['x', 'k']) {
        const set = lit[kind];
        const grid = this.grids[kind];
        grid.table.classList.toggle('has-lit', Boolean(set));
        grid.cells.forEach((node, at) => {
          node.classList.toggle('is-lit', Boolean(set && set.has(at)));
          node.classList.toggle('is-chosen', Boolean(focus &&
            focus.kind === kind && focus.at === at));
        });
      }
      // Where the frames glide to, in cells.
      const jump = still();
      const { glides, geometry } = this;
      const y = this.yCell;
      glides.stamp.send(stamp === null ? null : [
        s * (stamp % w) * y, s * Math.floor(stamp / w) * y, k * y, k * y,
      ], jump);
      glides.cell.send(cell === null ? null : [
        (cell % this.cols + p) * y, (Math.floor(cell / this.cols) + p) * y,
        y, y,
      ], jump);
      const x = this.wideCell;
      glides.window.send(window === null ? null : [
        (window % this.cols) * x, Math.floor(window / this.cols) * x,
        k * x, k * x,
      ], jump);
      if (geometry) {
        const g = geometry;
        glides.column.send(col === null ? null : [
          g.left + col * g.cw, g.top, g.cw, g.ch * this.entries.rows,
        ], jump);
        glides.row.send(row === null ? null : [
          g.left, g.top + row * g.ch, g.cw * this.entries.cols, g.ch,
        ], jump);
      }
      this.showReadout(focus);
      for (const board of this.boards()) board.dirty = true;
      this.wake();
    }

    // ------------------------------------------------------- animation

    count() {
      return this.order === 'x' ? this.state.h * this.state.w
        : this.rows * this.cols;
    }

    setOrder(order) {
      this.order = order;
      for (const [key, button] of Object.entries(this.orders)) {
        button.setAttribute('aria-pressed', String(key === order));
      }
      if (this.frame !== null) this.show(0);
      this.showProgress();
    }

    play() {
      if (this.playing) { this.stop(); return; }
      this.playing = true;
      this.focus = null;
      this.since = 0;
      this.playButton.replaceChildren(icon('pause'));
      this.playButton.setAttribute('aria-label', 'Pause');
      this.playButton.title = 'Pause';
      if (this.frame === null || this.frame >= this.count() - 1) {
        this.show(0);
      }
      this.wake();
    }

    stop() {
      if (!this.playing) return;
      this.playing = false;
      this.playButton.replaceChildren(icon('play'));
      this.playButton.setAttribute('aria-label', 'Play');
      this.playButton.title = 'Play';
    }

    step(by) {
      this.stop();
      const now = this.frame === null ? (by > 0 ? -1 : this.count())
        : this.frame;
      this.show(Math.max(0, Math.min(this.count() - 1, now + by)));
      this.announce();
    }

    show(frame) {
      this.frame = frame;
      this.focus = null;
      this.computeFrame();
      this.y.stale = true;
      this.showProgress();
      this.highlight(this.current());
    }

    /** All steps done: the finished output. */
    finish(draw = true) {
      this.stop();
      this.frame = null;
      this.computeFrame();
      this.y.stale = true;
      this.showProgress();
      if (draw) this.look(null, true);
    }

    showProgress() {
      const what = this.order === 'x' ? 'stamp' : 'output cell';
      this.progress.textContent = this.frame === null ? 'all done'
        : `${what} ${this.frame + 1} of ${this.count()}`;
    }

    wake() {
      if (this.awake) return;
      this.awake = true;
      this.last = performance.now();
      requestAnimationFrame((now) => this.draw(now));
    }

    draw(now) {
      if (!this.root.isConnected) { this.awake = false; return; }
      const begin = performance.now();
      const ms = Math.max(0, Math.min(now - this.last, 100));
      this.last = now;
      let busy = false;
      if (this.playing) {
        busy = true;
        this.since += ms;
        if (this.since >= 1000 / this.speed) {
          this.since %= 1000 / this.speed;
          if (this.frame >= this.count() - 1) {
            this.finish();
          } else {
            this.show(this.frame + 1);
          }
        }
      }
      for (const glide of Object.values(this.glides)) {
        if (glide.move(ms)) busy = true;
      }
      if (busy) {
        for (const board of [this.y, this.wide, this.matrix]) {
          board.dirty = true;
        }
      }
      for (const board of this.boards()) {
        if (!board.hidden) board.paint();
      }
      this.frames.push(performance.now() - begin);
      if (this.frames.length > 600) this.frames.shift();
      this.awake = busy;
      if (busy) requestAnimationFrame((next) => this.draw(next));
    }

    // ---------------------------------------------------------- layout

    layout() {
      if (!this.ready || !this.shades) return;
      const width = this.root.clientWidth - 32;
      if (width < 100) return;
      const narrow = width < 560;
      this.root.classList.toggle('is-narrow', narrow);
      const { h, w, k } = this.state;

      const side = narrow ? (width - 16) / 2 : Math.min(width * 0.3, 250);
      for (const [kind, most] of [['x', Math.max(w, h)], ['k', k]]) {
        const grid = this.grids[kind];
        grid.cell = Math.max(18, Math.min(40,
          Math.floor((side - 2) / most)));
        grid.table.style.setProperty('--cell', `${grid.cell}px`);
      }
      this.root.style.setProperty('--side', `${Math.ceil(side)}px`);

      const fit = (rows, cols, wide, high, top = 40) => {
        const cell = Math.min(wide / cols, high / rows, top);
        return cell >= 8 ? Math.floor(cell) : Math.floor(cell * 4) / 4;
      };
      const right = narrow ? width : width - side - 24;
      this.yCell = fit(this.full.rows, this.full.cols, right - 4,
        narrow ? 420 : 430);
      this.y.size(this.full.cols * this.yCell, this.full.rows * this.yCell);

      const half = narrow ? width : (width - 24) / 2;
      const { rows, cols } = this.spread;
      this.wideCell = fit(rows, cols, half - 4, 380, 34);
      this.wide.size(cols * this.wideCell, rows * this.wideCell);
      const small = Math.max(6, Math.min(12, Math.floor(60 / k)));
      this.turnedCell = small;
      this.turned.size(k * small, k * small);

      // The matrix: the input above its columns, the output right of it.
      const { entries } = this;
      const edge = 14;
      const gap = 4;
      const cw = Math.min((half - 4 - edge - gap) / entries.cols, 22);
      const ch = Math.min(380 / entries.rows, cw);
      this.geometry = { left: 0, top: edge + gap, cw, ch, edge, gap };
      this.matrix.size(Math.ceil(cw * entries.cols + gap + edge),
        Math.ceil(edge + gap + ch * entries.rows));

      const share = narrow ? width : (width - 24) / 2;
      this.heats.forEach((board, layer) => {
        const data = this.heatData[layer];
        board.hidden = !data;
        board.figure.hidden = !data;
        if (!data) return;
        const cell = fit(data.rows, data.cols, share - 4,
          narrow ? 300 : 260, 30);
        board.cell = cell > 0 ? cell
          : Math.min(share / data.cols, 260 / data.rows);
        board.size(data.cols * board.cell, data.rows * board.cell);
        this.sayHeat(board, layer, data);
      });
      this.shade();
      this.highlight(this.focus || this.current());
      this.showProgress();
    }

    sayHeat(board, layer, { rows, cols, values }) {
      let low = Infinity;
      let high = -Infinity;
      for (const value of values) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      const what = this.heat === 'count' ? (layer ? 'paths' : 'stamps')
        : 'values';
      const [least, most] = M.inside(this.state, layer + 1);
      const middle = this.heat === 'count'
        ? `, away from the border ${least === most ? `always ${least}`
          : `${least} to ${most}`}` : '';
      const text = `${layer ? 'The same layer twice' : 'One layer'}, ` +
        `${rows} × ${cols}: ${number(low, 2)} to ${number(high, 2)} ` +
        `${what}${middle}`;
      board.say.textContent = text;
      board.canvas.setAttribute('aria-label', `Heat map. ${text}`);
    }

    // -------------------------------------------------------- painting

    /** Cells of a grid, with their numbers where they fit. */
    paintCells(c, pale, rows, cols, cell, values, shades, hide = null) {
      const { palette } = this;
      c.textAlign = 'center';
      c.textBaseline = 'middle';
      const lines = cell >= 6;
      for (let r = 0; r < rows; r++) {
        for (let q = 0; q < cols; q++) {
          const at = r * cols + q;
          if (hide && hide(r, q, at)) continue;
          c.fillStyle = shades.fill(values[at], pale);
          c.fillRect(q * cell, r * cell, cell + 0.3, cell + 0.3);
        }
      }
      if (lines) {
        c.strokeStyle = palette.line;
        c.lineWidth = cell >= 14 ? 1 : 0.5;
        c.beginPath();
        for (let r = 0; r <= rows; r++) {
          const y = Math.min(Math.max(r * cell, 0.5), rows * cell - 0.5);
          c.moveTo(0, y);
          c.lineTo(cols * cell, y);
        }
        for (let q = 0; q <= cols; q++) {
          const x = Math.min(Math.max(q * cell, 0.5), cols * cell - 0.5);
          c.moveTo(x, 0);
          c.lineTo(x, rows * cell);
        }
        c.stroke();
      }
      if (cell < 19) return;
      let lastSize = 0;
      for (let r = 0; r < rows; r++) {
        for (let q = 0; q < cols; q++) {
          const at = r * cols + q;
          if (hide && hide(r, q, at)) continue;
          const [text, size] = cellText(values[at], cell);
          if (!text) continue;
          if (size !== lastSize) {
            c.font = `${size}px ${FONT}`;
            lastSize = size;
          }
          c.fillStyle = shades.text(values[at], pale);
          c.fillText(text, (q + 0.5) * cell, (r + 0.53) * cell);
        }
      }
    }

    paintOutput(c, pale) {
      const { p, a, h, w, k, s } = this.state;
      const { rows, cols } = this.full;
      const cell = this.yCell;
      const waits = this.frame !== null && this.order === 'y';
      const done = this.frame;
      this.paintCells(c, pale, rows, cols, cell, this.shown, this.shades.y,
        waits ? (r, q) => {
          const m = r - p;
          const n = q - p;
          return m < 0 || n < 0 || m >= this.rows || n >= this.cols ||
            m * this.cols + n > done;
        } : null);
      // What padding cuts off: veiled and hatched.
      const out = [p * cell, p * cell, this.cols * cell, this.rows * cell];
      const [wide, high] = [cols * cell, rows * cell];
      if (wide > out[2] || high > out[3]) {
        c.save();
        c.beginPath();
        c.rect(0, 0, wide, high);
        c.rect(...out);
        c.clip('evenodd');
        c.fillStyle = this.palette.veil;
        c.fillRect(0, 0, wide, high);
        c.strokeStyle = this.palette.strong;
        c.globalAlpha = 0.45;
        c.lineWidth = 1;
        c.beginPath();
        for (let x = -high; x < wide; x += 7) {
          c.moveTo(x, high);
          c.lineTo(x + high, 0);
        }
        c.stroke();
        c.restore();
      }
      if (a > 0) { // what output padding gave back
        c.save();
        c.setLineDash([4, 3]);
        c.strokeStyle = this.palette.ink;
        c.lineWidth = 1.25;
        c.beginPath();
        const y = (p + M.outputSize(h, k, s, p, 0)) * cell;
        const x = (p + M.outputSize(w, k, s, p, 0)) * cell;
        c.moveTo(out[0], y);
        c.lineTo(out[0] + out[2], y);
        c.moveTo(x, out[1]);
        c.lineTo(x, out[1] + out[3]);
        c.stroke();
        c.restore();
      }
      c.strokeStyle = this.palette.ink;
      c.lineWidth = 1.5;
      c.strokeRect(out[0] + 0.75, out[1] + 0.75, out[2] - 1.5, out[3] - 1.5);
    }

    paintOutputFocus(c) {
      const { lit, glides, palette } = this;
      if (!lit || !lit.focus) return;
      const cell = this.yCell;
      const { w, k, s, p } = this.state;
      const { kind } = lit.focus;
      c.save();
      if (kind === 'k') {
        const u = Math.floor(lit.focus.at / k);
        const v = lit.focus.at % k;
        this.y.fade(c);
        for (let x = 0; x < this.X.length; x++) {
          const at = [(s * (x % w) + v) * cell,
            (s * Math.floor(x / w) + u) * cell, cell, cell];
          this.y.copy(c, ...at);
          outline(c, at, palette.k, cell >= 12 ? 2 : 1);
        }
      } else if (kind === 'y') {
        c.globalAlpha = 0.55;
        c.setLineDash([5, 3]);
        for (const x of lit.x) {
          outline(c, [s * (x % w) * cell, s * Math.floor(x / w) * cell,
            k * cell, k * cell], palette.k, 1.5);
        }
      } else if (glides.stamp.at) {
        this.y.fade(c);
        this.y.copy(c, ...glides.stamp.at);
      }
      c.restore();
      if (glides.stamp.at) outline(c, glides.stamp.at, palette.k);
      if (glides.cell.at) {
        const [x, y] = glides.cell.at;
        const grow = Math.max(0, 5 - cell) / 2;
        outline(c, [x - grow, y - grow, cell + 2 * grow, cell + 2 * grow],
          palette.y, 3);
      }
    }

    paintSpread(c, pale) {
      const { rows, cols, values, source } = this.spread;
      const cell = this.wideCell;
      const { palette } = this;
      c.fillStyle = palette.soft;
      c.fillRect(0, 0, cols * cell, rows * cell);
      c.fillStyle = css(palette.surface);
      const { h, w, s } = this.state;
      const { margin } = this.spread;
      c.fillRect(margin * cell, margin * cell, (s * (w - 1) + 1) * cell,
        (s * (h - 1) + 1) * cell);
      this.paintCells(c, pale, rows, cols, cell, values, this.shades.x,
        (r, q, at) => source[at] < 0);
      if (cell >= 8) { // inserted zeros: a dot
        c.fillStyle = palette.strong;
        for (let at = 0; at < source.length; at++) {
          if (source[at] >= 0) continue;
          const x = (at % cols + 0.5) * cell;
          const y = (Math.floor(at / cols) + 0.5) * cell;
          const r = Math.min(1.6, cell / 9);
          c.beginPath();
          c.arc(x, y, r, 0, 7);
          c.fill();
        }
      }
      c.strokeStyle = palette.x;
      c.lineWidth = 1;
      for (let at = 0; at < source.length && cell >= 5; at++) {
        if (source[at] < 0) continue;
        c.strokeRect((at % cols) * cell + 0.5,
          Math.floor(at / cols) * cell + 0.5, cell - 1, cell - 1);
      }
    }

    paintSpreadFocus(c) {
      const { lit, glides, palette } = this;
      if (!lit || !lit.focus) return;
      const cell = this.wideCell;
      const { k } = this.state;
      const { cols, source } = this.spread;
      if (glides.window.at) {
        this.wide.fade(c);
        this.wide.copy(c, ...glides.window.at);
        const still2 = glides.window.at[0] === glides.window.to[0] &&
          glides.window.at[1] === glides.window.to[1];
        if (cell >= 26 && still2) { // the weights, small, in the corner
          const T = M.turned(this.K);
          c.font = `600 ${Math.min(10, cell * 0.3)}px ${FONT}`;
          c.textAlign = 'right';
          c.textBaseline = 'bottom';
          c.lineWidth = 2.5;
          c.strokeStyle = css(palette.surface);
          c.fillStyle = palette.k;
          for (let t = 0; t < k * k; t++) {
            const x = glides.window.at[0] + (t % k + 1) * cell - 2;
            const y = glides.window.at[1] + (Math.floor(t / k) + 1) * cell - 1;
            const text = number(T[t], 2);
            c.strokeText(text, x, y);
            c.fillText(text, x, y);
          }
        }
        outline(c, glides.window.at, palette.k);
      }
      if (lit.x && lit.focus.kind !== 'k') {
        for (let at = 0; at < source.length; at++) {
          if (!lit.x.has(source[at])) continue;
          outline(c, [(at % cols) * cell + 1,
            Math.floor(at / cols) * cell + 1, cell - 2, cell - 2],
          palette.x, cell >= 8 ? 2.5 : 1.5);
        }
      }
    }

    paintTurned(c, pale) {
      const { k } = this.state;
      this.paintCells(c, pale, k, k, this.turnedCell, M.turned(this.K),
        this.shades.k);
      c.strokeStyle = this.palette.k;
      c.lineWidth = 1.5;
      c.strokeRect(0.75, 0.75, this.turned.width - 1.5,
        this.turned.height - 1.5);
    }

    paintTurnedFocus(c) {
      const { lit, palette } = this;
      if (!lit || !lit.k) return;
      const { k } = this.state;
      this.turned.fade(c);
      const cell = this.turnedCell;
      for (const tap of lit.k) {
        const t = k * k - 1 - tap;
        const at = [(t % k) * cell, Math.floor(t / k) * cell, cell, cell];
        this.turned.copy(c, ...at);
        outline(c, at, palette.k, 1.5);
      }
    }

    paintMatrix(c, pale) {
      const { geometry: g, entries, palette } = this;
      const { w } = this.state;
      const wide = g.cw * entries.cols;
      const high = g.ch * entries.rows;
      c.fillStyle = palette.soft;
      c.fillRect(g.left, g.top, wide, high);
      if (g.ch >= 7) { // cell lines
        c.strokeStyle = palette.line;
        c.lineWidth = 0.5;
        c.beginPath();
        for (let r = 1; r < entries.rows; r++) {
          c.moveTo(g.left, g.top + r * g.ch);
          c.lineTo(g.left + wide, g.top + r * g.ch);
        }
        for (let q = 1; q < entries.cols; q++) {
          c.moveTo(g.left + q * g.cw, g.top);
          c.lineTo(g.left + q * g.cw, g.top + high);
        }
        c.stroke();
      }
      // Thin rows share pixels: the strongest entry of a pixel wins.
      const shades = this.shades.k;
      const pixel = Math.min(1, 1 / (devicePixelRatio || 1));
      const order = Array.from(entries.row.keys());
      if (g.ch < pixel) {
        order.sort((a, b) => Math.abs(this.K[entries.tap[a]]) -
          Math.abs(this.K[entries.tap[b]]));
      }
      const tall = Math.max(g.ch, pixel);
      for (const e of order) {
        c.fillStyle = shades.fill(this.K[entries.tap[e]], pale);
        c.fillRect(g.left + entries.col[e] * g.cw,
          g.top + entries.row[e] * g.ch, Math.max(g.cw, 0.6), tall);
      }
      const blocks = (step, count, draw) => {
        for (let n = step; n < count; n += step) draw(n);
      };
      c.strokeStyle = palette.strong;
      c.globalAlpha = 0.5;
      c.lineWidth = 0.5;
      c.beginPath();
      if (g.cw * w >= 6) {
        blocks(w, entries.cols, (n) => {
          c.moveTo(g.left + n * g.cw, g.top);
          c.lineTo(g.left + n * g.cw, g.top + high);
        });
      }
      if (g.ch * this.cols >= 6) {
        blocks(this.cols, entries.rows, (n) => {
          c.moveTo(g.left, g.top + n * g.ch);
          c.lineTo(g.left + wide, g.top + n * g.ch);
        });
      }
      c.stroke();
      c.globalAlpha = 1;
      // The input as a row above, the output as a column to the right.
      for (let x = 0; x < entries.cols; x++) {
        c.fillStyle = this.shades.x.fill(this.X[x]);
        c.fillRect(g.left + x * g.cw, 0, g.cw + 0.3, g.edge);
      }
      for (let y = 0; y < entries.rows; y++) {
        c.fillStyle = this.shades.y.fill(this.Y[y]);
        c.fillRect(g.left + wide + g.gap, g.top + y * g.ch, g.edge,
          Math.max(g.ch, pixel) + 0.3);
      }
      c.lineWidth = 1;
      c.strokeStyle = palette.x;
      c.strokeRect(g.left + 0.5, 0.5, wide - 1, g.edge - 1);
      c.strokeStyle = palette.y;
      c.strokeRect(g.left + wide + g.gap + 0.5, g.top + 0.5, g.edge - 1,
        high - 1);
      c.strokeStyle = palette.strong;
      c.strokeRect(g.left + 0.5, g.top + 0.5, wide - 1, high - 1);
    }

    paintMatrixFocus(c) {
      const { lit, glides, palette, geometry: g, entries } = this;
      if (!lit || !lit.focus) return;
      const board = this.matrix;
      const wide = g.cw * entries.cols;
      const column = glides.column.at;
      const row = glides.row.at;
      board.fade(c);
      if (lit.focus.kind === 'k') {
        const size = Math.max(g.ch, 1);
        for (let e = 0; e < entries.tap.length; e++) {
          if (entries.tap[e] !== lit.focus.at) continue;
          const at = [g.left + entries.col[e] * g.cw,
            g.top + entries.row[e] * g.ch, Math.max(g.cw, 1), size];
          c.fillStyle = palette.k;
          if (g.ch < 6) c.fillRect(...at);
          else { board.copy(c, ...at); outline(c, at, palette.k, 1.5); }
        }
        return;
      }
      if (column) board.copy(c, ...column);
      if (row) {
        const [x, y, width, height] = row;
        const tall = Math.max(height, 2);
        board.copy(c, x, y - (tall - height) / 2, width, tall);
      }
      if (column) {
        const [x, y, width, height] = column;
        outline(c, [x - 0.5, y, width + 1, height], palette.x, 2);
        outline(c, [x - 0.5, 1, width + 1, g.edge - 2], palette.x, 2);
      }
      if (row) {
        const [x, y, width, height] = row;
        const grow = Math.max(0, 3 - height) / 2;
        outline(c, [x, y - grow - 0.5, width, height + 2 * grow + 1],
          palette.y, 2);
        outline(c, [g.left + wide + g.gap + 1, y - grow - 0.5, g.edge - 2,
          height + 2 * grow + 1], palette.y, 2);
      }
    }

    paintHeat(c, layer) {
      const { rows, cols, values } = this.heatData[layer];
      const { cell } = this.heats[layer];
      const shades = this.shades.heat[layer];
      if (cell >= 2) {
        this.paintCells(c, false, rows, cols, cell, values, shades);
        return;
      }
      // One image pixel a cell, then scaled.
      const image = new ImageData(cols, rows);
      for (let at = 0; at < values.length; at++) {
        const [r, g, b] = shades.rgb(values[at]);
        image.data.set([r, g, b, 255], at * 4);
      }
      const small = el('canvas', { width: cols, height: rows });
      small.getContext('2d').putImageData(image, 0, 0);
      c.imageSmoothingEnabled = cell < 1;
      c.drawImage(small, 0, 0, cols * cell, rows * cell);
    }

    paintHeatFocus(c, layer) {
      const { lit, palette } = this;
      const { cell } = this.heats[layer];
      if (layer || !lit || !lit.focus || lit.focus.kind !== 'y') return;
      outline(c, [(lit.focus.at % this.cols) * cell,
        Math.floor(lit.focus.at / this.cols) * cell, cell, cell],
      palette.y, cell > 8 ? 2.5 : 1.5);
    }
  }

  mount('tconv', (place) => { place.explorer = new Explorer(place); });
})();
