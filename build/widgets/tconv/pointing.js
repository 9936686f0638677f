/* What pointer and keys do on the canvases of the views. */

const ARROWS = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** The place from 0 to most - 1 that is nearest. */
function bound(place, most) {
  return Math.max(0, Math.min(most - 1, place));
}

/** A frame around a board's canvas: hover and drag look, a click keeps.
 *
 * `find(x, y)` returns the choice at a place, in pixels of the canvas, or
 * null; `press(event)` takes the keys. */
function pointable(explorer, board, name, find, press) {
  const frame = el('div', {
    'class': 'tconv-canvas', role: 'application', tabindex: '0',
    'aria-label': name,
  }, board.canvas);
  const at = (event) => {
    const box = board.canvas.getBoundingClientRect();
    return find(event.clientX - box.left, event.clientY - box.top);
  };
  let down = false;
  frame.addEventListener('keydown', press);
  frame.addEventListener('pointermove', (event) => {
    if (down || event.pointerType === 'mouse') explorer.look(at(event));
  });
  frame.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    down = true;
    explorer.transport.stop();
    frame.setPointerCapture(event.pointerId);
    explorer.look(at(event));
  });
  frame.addEventListener('pointerup', (event) => {
    if (!down) return;
    down = false;
    const choice = at(event);
    if (choice) explorer.pin(choice);
  });
  frame.addEventListener('pointercancel', () => { down = false; });
  frame.addEventListener('pointerleave', () => {
    if (!down) explorer.look(null);
  });
  return frame;
}

/** Keys on a view that shows one output cell at a time. */
function pressOnOutput(explorer, event) {
  const { rows, cols, pinned, focus } = explorer;
  const now = [pinned, focus].find((choice) => choice && choice.kind === 'y');
  const step = ARROWS[event.key];
  const pin = (at) => explorer.pin({ kind: 'y', at }, true);
  if (step) {
    explorer.transport.stop();
    pin(now ? bound(Math.floor(now.at / cols) + step[0], rows) * cols +
      bound(now.at % cols + step[1], cols) : 0);
  } else if (event.key === 'Home' || event.key === 'End') {
    pin(event.key === 'Home' ? 0 : rows * cols - 1);
  } else if (event.key === 'Enter' || event.key === ' ') {
    pin(now ? now.at : 0);
  } else if (event.key === 'Escape') {
    explorer.pin(null);
  } else {
    return;
  }
  event.preventDefault();
  explorer.announce();
}
