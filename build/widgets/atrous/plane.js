/* Two dimensions: the pixels that one output sees, and the blind ones. */

class Plane {
  constructor() {
    this.canvas = el('canvas', { role: 'img' });
    this.say = el('p', { 'class': 'atrous-say' });
    this.root = el('div', { 'class': 'atrous-plane' },
      el('h3', {}, 'In the plane'), this.say, this.canvas);
  }

  /** `color(name)` gives a colour of the style sheet. */
  draw(state, width, color) {
    const { size } = extent(state);
    const counts = ways(state, 0)[0];
    const most = Math.max(...counts.values());
    const unit = Math.max(3, Math.min(22, Math.floor((width - 2) / size)));
    const side = unit * size + 1;
    const brush = sized(this.canvas, side, side);
    brush.fillStyle = color('--w-soft');
    brush.fillRect(0, 0, side, side);
    for (const [i, down] of counts) {
      for (const [j, across] of counts) {
        brush.globalAlpha = 0.3 + 0.7 * (down * across) / most ** 2;
        brush.fillStyle = color('--w-y');
        brush.fillRect(j * unit, i * unit, unit, unit);
      }
    }
    brush.globalAlpha = 1;
    brush.strokeStyle = color('--w-line');
    brush.beginPath();
    for (let i = 0; i <= size; i++) {
      brush.moveTo(i * unit + 0.5, 0);
      brush.lineTo(i * unit + 0.5, side);
      brush.moveTo(0, i * unit + 0.5);
      brush.lineTo(side, i * unit + 0.5);
    }
    brush.stroke();
    const seen = counts.size ** 2;
    this.canvas.setAttribute('aria-label', `A field of ${size} by ${size} ` +
      `pixels, of which ${seen} are seen`);
    this.say.textContent = `${seen} of ${size ** 2} pixels are seen` +
      (seen < size ** 2 ? '; the pale ones are blind. ' : '. ') +
      (most > 1 ? 'The stronger the colour, the more ways lead there.' : '');
  }
}
