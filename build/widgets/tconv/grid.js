/* An editable grid of real elements: the input X or the kernel K. */

class Grid {
  /** `kind` is 'x' or 'k'. */
  constructor(explorer, kind, title, presets) {
    this.explorer = explorer;
    this.kind = kind;
    this.part = kind === 'x' ? 'input' : 'kernel'; // of the state
    this.cells = [];
    this.rows = 0;
    this.cols = 0;
    this.current = 0; // the cell that the Tab key comes to
    this.select = el('select', { 'aria-label': `${title}, preset` });
    for (const name of [...presets, 'edited']) {
      this.select.append(el('option', { value: name }, name));
    }
    this.select.addEventListener('change',
      () => this.preset(this.select.value));
    this.again = el('button', {
      type: 'button', 'aria-label': 'Other random numbers',
      title: 'Other random numbers', onclick: () => this.preset('random',
        (explorer.state.kernel.seed % 99) + 1),
    }, '↻');
    this.table = el('div', {
      'class': 'tconv-grid', role: 'grid', 'data-kind': kind,
      'aria-label': `${title}. Arrow keys move, Enter keeps the choice, ` +
        'digits or plus and minus change the cell.',
    });
    this.table.addEventListener('keydown', (event) => this.press(event));
    this.table.addEventListener('focusin', (event) => {
      const at = this.cells.indexOf(event.target);
      if (at >= 0) { this.moveTo(at); explorer.look({ kind, at }); }
    });
    this.table.addEventListener('focusout', (event) => {
      if (!this.table.contains(event.relatedTarget)) explorer.look(null);
    });
    this.table.addEventListener('dblclick', (event) => {
      const at = this.cellAt(event);
      if (at >= 0) this.edit(at);
    });
    this.pointer();
    this.root = el('div', { 'class': 'tconv-operand' },
      el('div', { 'class': 'tconv-head' }, el('h3', {}, title),
        this.select, this.again),
      this.table);
  }

  get values() { return this.explorer.values(this.kind); }

  // ------------------------------------------------------ what it shows

  show() {
    const { state } = this.explorer;
    const [rows, cols] = this.kind === 'x' ? [state.h, state.w]
      : [state.k, state.k];
    if (this.rows !== rows || this.cols !== cols) {
      const had = this.table.contains(document.activeElement);
      this.rows = rows;
      this.cols = cols;
      this.current = Math.min(this.current, rows * cols - 1);
      this.cells = [];
      this.table.replaceChildren();
      this.table.style.setProperty('--cols', cols);
      for (let i = 0; i < rows; i++) {
        const row = el('div', { role: 'row' });
        for (let j = 0; j < cols; j++) {
          const cell = el('div', {
            role: 'gridcell',
            tabindex: this.cells.length === this.current ? '0' : '-1',
          });
          this.cells.push(cell);
          row.append(cell);
        }
        this.table.append(row);
      }
      if (had) this.cells[this.current].focus();
    }
    const part = state[this.part];
    this.select.value = part.values ? 'edited' : part.preset;
    this.again.hidden = part.preset !== 'random';
  }

  layout(side) {
    this.size = Math.max(18, Math.min(40,
      Math.floor((side - 2) / Math.max(this.rows, this.cols))));
    this.table.style.setProperty('--cell', `${this.size}px`);
  }

  /** Write and colour the cells. */
  shade() {
    const { kind, values } = this;
    const shades = this.explorer.shades[kind];
    this.cells.forEach((cell, at) => {
      const value = values[at];
      if (!(cell.firstElementChild === document.activeElement &&
          cell.firstElementChild)) {
        const [text, size] = cellText(value, this.size || 30);
        cell.textContent = text;
        cell.style.fontSize = `${size}px`;
      }
      cell.style.setProperty('--bg', shades.fill(value));
      cell.style.setProperty('--fg', shades.text(value));
      cell.style.setProperty('--pale-bg', shades.fill(value, true));
      cell.style.setProperty('--pale-fg', shades.text(value, true));
      cell.setAttribute('aria-label', `${kind.toUpperCase()}[${Math.floor(
        at / this.cols)}, ${at % this.cols}]: ${number(value)}`);
    });
  }

  /** Light the cells that the choice touches. */
  aim(lit) {
    const { kind } = this;
    const { focus } = lit;
    const set = lit[kind];
    this.table.classList.toggle('has-lit', Boolean(set));
    this.cells.forEach((cell, at) => {
      cell.classList.toggle('is-lit', Boolean(set && set.has(at)));
      cell.classList.toggle('is-chosen', Boolean(focus &&
        focus.kind === kind && focus.at === at));
    });
  }

  // ------------------------------------------------------------ changes

  preset(name, seed = 1) {
    const { explorer, part } = this;
    explorer.change({ [part]: name === 'edited'
      ? { ...explorer.state[part], preset: name,
        values: Float64Array.from(this.values) }
      : { preset: name, seed } });
  }

  setCell(at, value) {
    const { explorer, part } = this;
    const rounded = Math.round(value * 1000) / 1000;
    const values = Float64Array.from(this.values);
    values[at] = Math.max(-LARGEST, Math.min(LARGEST, rounded));
    explorer.change({ [part]: {
      ...explorer.state[part], preset: 'edited', values,
    } });
  }

  /** Open a cell for typing. */
  edit(at, begin = null) {
    const { explorer } = this;
    const cell = this.cells[at];
    const text = begin ?? String(this.values[at]);
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
        explorer.shade();
      } else if (Number.isNaN(value)) {
        explorer.shade();
        explorer.tell(`“${typed}” is refused: a cell holds a number.`, true);
      } else if (Math.abs(value) > LARGEST) {
        explorer.shade();
        explorer.tell(`${number(value)} is refused: a cell goes from ` +
          `−${LARGEST} to ${LARGEST}.`, true);
      } else {
        this.setCell(at, value);
      }
    };
    box.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key === 'Enter' || event.key === 'Escape') {
        close(event.key === 'Enter');
        this.cells[at].focus();
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

  // --------------------------------------------------- keys and pointer

  moveTo(at) {
    this.cells[this.current].tabIndex = -1;
    this.current = at;
    this.cells[at].tabIndex = 0;
  }

  press(event) {
    const at = this.cells.indexOf(event.target);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const { explorer, rows, cols, kind, values } = this;
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
      explorer.transport.stop();
      this.cells[go].focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      explorer.pin({ kind, at });
    } else if (event.key === '+' || event.key === '=') {
      this.setCell(at, values[at] + unit);
    } else if (event.key === '-' || event.key === '−') {
      this.setCell(at, values[at] - unit);
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      this.setCell(at, 0);
    } else if (event.key === 'F2') {
      this.edit(at);
    } else if (/^[\d.,]$/.test(event.key)) {
      this.edit(at, event.key.replace(',', '.'));
    } else if (event.key === 'Escape') {
      explorer.pin(null);
    } else {
      return;
    }
    event.preventDefault();
    if (go === undefined) explorer.announce();
  }

  /** The cell under the pointer (a captured pointer's target is the grid). */
  cellAt(event) {
    const hit = document.elementFromPoint(event.clientX, event.clientY);
    return this.cells.indexOf(hit && hit.closest('[role=gridcell]'));
  }

  /** Drag over a grid copies the first cell's value; a click chooses. */
  pointer() {
    const { explorer, table, kind } = this;
    let from = null;
    let painted = false;
    let editing = false; // a tap on the chosen cell
    table.addEventListener('pointerdown', (event) => {
      from = this.cellAt(event);
      painted = false;
      if (from < 0 || event.button) { from = null; return; }
      // Focus without the browser's own text selection.
      event.preventDefault();
      explorer.transport.stop();
      const { pinned } = explorer;
      editing = event.pointerType !== 'mouse' && pinned &&
        pinned.kind === kind && pinned.at === from &&
        document.activeElement === this.cells[from];
      this.cells[from].focus({ preventScroll: true });
      table.setPointerCapture(event.pointerId);
    });
    table.addEventListener('pointermove', (event) => {
      const at = this.cellAt(event);
      if (at < 0) return;
      if (from === null) {
        if (event.pointerType === 'mouse') explorer.look({ kind, at });
        return;
      }
      if (at !== from || painted) {
        const value = this.values[from];
        painted = true;
        if (this.values[at] !== value) this.setCell(at, value);
        explorer.look({ kind, at });
      }
    });
    const end = (event) => {
      if (from !== null && !painted && event.type === 'pointerup') {
        if (editing) this.edit(from);
        else explorer.pin({ kind, at: from });
      }
      from = null;
    };
    table.addEventListener('pointerup', end);
    table.addEventListener('pointercancel', end);
    table.addEventListener('pointerleave', () => {
      if (from === null && !table.contains(document.activeElement)) {
        explorer.look(null);
      }
    });
  }
}
