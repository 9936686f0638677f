/* Pictures made of SVG elements. */

function svg(tag, attributes = {}, text = null) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  if (text !== null) made.textContent = text;
  return made;
}

function resize(picture, width, height) {
  picture.setAttribute('width', width);
  picture.setAttribute('height', height);
  picture.setAttribute('viewBox', `0 0 ${width} ${height}`);
}

/** Lines at 0, 0.5 and 1 from left to right, with their numbers. */
function levels(left, right, y) {
  return [0, 0.5, 1].flatMap((value) => [
    svg('line', { x1: left, x2: right, y1: y(value), y2: y(value),
      'class': value ? 'b-line' : 'b-axis' }),
    svg('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' },
      String(value)),
  ]);
}
