/* From maps of scores to the class of every pixel. */

const NOTHING = -12; // e to this adds nothing to a confidence of 8 bits

/** Where a pixel lies between the cells of a map: [cell, share of the next].
 *
 * Cell i of stride s has its centre at s * i + (s - 1) / 2. */
function between(pixel, stride) {
  const place = (pixel - (stride - 1) / 2) / stride;
  const cell = Math.floor(place);
  return [cell, place - cell];
}

/** Enlarge maps by bilinear layers, add them up, row by row of the photo.
 *
 * `maps`: see Engine.scores. `use(scores, y)` gets, for each row, a
 * Float32Array with `classes` numbers a pixel, and may change it. Beyond the
 * border there is nothing: scores fade there, as the book's do.
 */
function eachRow(maps, classes, width, height, use) {
  const scores = new Float32Array(width * classes);
  const lines = maps.map((map) => new Float32Array(map.width * classes));
  for (let y = 0; y < height; y++) {
    scores.fill(0);
    maps.forEach((map, n) => {
      const line = lines[n].fill(0);
      const [row, down] = between(y, map.down);
      for (const [v, share] of [[row, 1 - down], [row + 1, down]]) {
        if (v < 0 || v >= map.height) continue;
        for (let u = 0; u < map.width; u++) {
          const from = (v * map.width + u) * map.channels;
          for (let c = 0; c < classes; c++) {
            line[u * classes + c] += share * map.data[from + c];
          }
        }
      }
      for (let x = 0; x < width; x++) {
        const [column, right] = between(x, map.across);
        const to = x * classes;
        // Where there is no cell on one side, its share is 0.
        const last = column + 1 < map.width;
        const here = column < 0 ? 0 : 1 - right;
        const next = last ? right : 0;
        const from = Math.max(column, 0) * classes;
        const beside = (last ? column + 1 : column) * classes;
        for (let c = 0; c < classes; c++) {
          scores[to + c] += here * line[from + c] + next * line[beside + c];
        }
      }
    });
    use(scores, y);
  }
}

/** The class of every pixel: {labels, sure}, and how sure: 0 to 255. */
function decide(maps, classes, width, height, confident = true) {
  const labels = new Uint8Array(width * height);
  const sure = new Uint8Array(confident ? width * height : 0);
  eachRow(maps, classes, width, height, (scores, y) => {
    for (let x = 0; x < width; x++) {
      const from = x * classes;
      let best = 0;
      for (let c = 1; c < classes; c++) {
        if (scores[from + c] > scores[from + best]) best = c;
      }
      labels[y * width + x] = best;
      if (!confident) continue;
      let sum = 0;
      for (let c = 0; c < classes; c++) {
        const behind = scores[from + c] - scores[from + best];
        if (behind > NOTHING) sum += Math.exp(behind);
      }
      sure[y * width + x] = Math.round(255 / sum);
    }
  });
  return { labels, sure };
}

/** How probable one class is at every pixel: 0 to 255. */
function probability(maps, classes, width, height, wanted) {
  const found = new Uint8Array(width * height);
  eachRow(maps, classes, width, height, (scores, y) => {
    for (let x = 0; x < width; x++) {
      const from = x * classes;
      let sum = 0;
      for (let c = 0; c < classes; c++) {
        sum += Math.exp(scores[from + c] - scores[from + wanted]);
      }
      found[y * width + x] = Math.round(255 / sum);
    }
  });
  return found;
}
