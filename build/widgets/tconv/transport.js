/* Play, pause and step through the operation: stamp by stamp, or output cell
 * by output cell. */

const ICONS = {
  play: 'M4 2.5v11l9-5.5z',
  pause: 'M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z',
  back: 'M11.5 3v10L4.5 8zM2.5 3h1.8v10H2.5z',
  forward: 'M4.5 3v10l7-5zM11.7 3h1.8v10h-1.8z',
  all: 'M8 2.5A5.5 5.5 0 1 0 13.5 8h-1.8A3.7 3.7 0 1 1 8 4.3V7l4-3.6' +
    'L8 0z',
};

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

class Transport {
  constructor(explorer) {
    this.explorer = explorer;
    this.frame = null; // the step shown, null: all done
    this.order = 'x'; // steps go over input or output cells
    this.playing = false;
    this.speed = 2; // steps a second
    this.since = 0; // milliseconds since the last step
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
    this.root = el('div', { 'class': 'tconv-transport' },
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

  /** How many steps there are. */
  count() {
    const { state, rows, cols } = this.explorer;
    return this.order === 'x' ? state.h * state.w : rows * cols;
  }

  /** What the present step points at, or null. */
  choice() {
    return this.frame === null ? null : { kind: this.order, at: this.frame };
  }

  setOrder(order) {
    this.order = order;
    for (const [key, button] of Object.entries(this.orders)) {
      button.setAttribute('aria-pressed', String(key === order));
    }
    if (this.frame !== null) this.go(0);
    this.show();
  }

  play() {
    if (this.playing) { this.stop(); return; }
    this.setPlaying(true);
    this.since = 0;
    this.explorer.focus = null;
    if (this.frame === null || this.frame >= this.count() - 1) this.go(0);
    this.explorer.wake();
  }

  stop() {
    if (this.playing) this.setPlaying(false);
  }

  setPlaying(playing) {
    const label = playing ? 'Pause' : 'Play';
    this.playing = playing;
    this.playButton.replaceChildren(icon(label.toLowerCase()));
    this.playButton.setAttribute('aria-label', label);
    this.playButton.title = label;
  }

  /** Let time pass while playing. */
  tick(ms) {
    const pause = 1000 / this.speed;
    this.since += ms;
    if (this.since < pause) return;
    this.since %= pause;
    if (this.frame >= this.count() - 1) this.finish();
    else this.go(this.frame + 1);
  }

  step(by) {
    this.stop();
    const now = this.frame ?? (by > 0 ? -1 : this.count());
    this.go(bound(now + by, this.count()));
    this.explorer.announce();
  }

  go(frame) {
    const { explorer } = this;
    this.frame = frame;
    explorer.focus = null;
    explorer.scatter.board.stale = true;
    this.show();
    explorer.highlight();
  }

  /** Forget the steps, before all is drawn anew. */
  reset() {
    this.stop();
    this.frame = null;
  }

  /** All steps done: the finished output. */
  finish(draw = true) {
    this.reset();
    this.explorer.scatter.board.stale = true;
    this.show();
    if (draw) this.explorer.look(null, true);
  }

  show() {
    const what = this.order === 'x' ? 'stamp' : 'output cell';
    this.progress.textContent = this.frame === null ? 'all done'
      : `${what} ${this.frame + 1} of ${this.count()}`;
  }
}
