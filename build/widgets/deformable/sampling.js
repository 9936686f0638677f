/* Reading a map between its pixels, without a page: it computes what the
 * chapter's `sample` computes.
 */

const TAPS = [-1, 0, 1].flatMap((row) => [-1, 0, 1].map((at) => [row, at]));

/** The two pixels around a place along one axis, with their weights. */
function around(place, size) {
  const held = Math.min(place, size - 1); // the last row is held
  const low = Math.min(Math.floor(held), size - 2);
  return [[low, 1 - (held - low)], [low + 1, held - low]];
}

/** What stands at a place of a map {width, height, values}: the four pixels
 * around it, {row, column, weight, value}, and their sum. Nothing outside. */
function sampleAt(map, row, column) {
  const { width, height, values } = map;
  const inside = row >= 0 && row < height && column >= 0 && column < width;
  if (!inside) return { pixels: [], value: 0 };
  const pixels = around(row, height).flatMap(([r, down]) =>
    around(column, width).map(([c, across]) => ({ row: r, column: c,
      weight: down * across, value: values[r * width + c] })));
  return { pixels,
    value: pixels.reduce((sum, one) => sum + one.weight * one.value, 0) };
}

/** Where the nine points are: a centre, a tap and an offset each. */
function placesOf(centre, offsets) {
  return TAPS.map((tap, k) =>
    [0, 1].map((axis) => centre[axis] + tap[axis] + offsets[k][axis]));
}

/** Read a map at places: what was found there, and the weighted sum. */
function respond(map, places, weights) {
  const found = places.map(([row, column]) => sampleAt(map, row, column));
  return { found,
    sum: found.reduce((sum, one, k) => sum + weights[k] * one.value, 0) };
}
