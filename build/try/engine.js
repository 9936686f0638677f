/* Runs the book's network: photos to maps of scores.
 *
 * A net is what build/try_page.py writes: {classes, colors, stages, score,
 * taps, …}. A stage is a list of blocks, {convs, add}: convolutions, whose
 * result is added to what went in if `add`. A convolution is {inputs,
 * outputs, kernel, stride, pad, alone, act, weight, bias}: `alone` if it sees
 * each channel alone; `act` is the highest value, 0 for no limits at all;
 * weight and bias say where their numbers begin. In its place, a convolution
 * may have {scale, shift}, what a batch normalisation behind it does. A tap
 * is {scale, shift, convs}: it begins with such a normalisation.
 */

const STRIDE = 32;
const PAGE = 65536; // bytes: memory grows by these
const CHUNK = 64; // pixels of which a product is computed in one go
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

/** The numbers of half precision in some bytes, as single precision. */
function fromHalves(bytes) {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset,
    bytes.length >> 1);
  const powers = Float32Array.from({ length: 32 }, (_, e) =>
    2 ** (Math.max(e, 1) - 25));
  const numbers = new Float32Array(halves.length);
  for (let n = 0; n < halves.length; n++) {
    const exponent = (halves[n] >> 10) & 31;
    const value = ((halves[n] & 1023) + (exponent ? 1024 : 0)) *
      powers[exponent];
    numbers[n] = halves[n] & 32768 ? -value : value;
  }
  return numbers;
}

/** Where maps lie in memory: the first gap that is large enough. */
class Room {
  constructor(memory, begin) {
    this.memory = memory;
    this.begin = begin;
    this.taken = []; // [from, to] in bytes, in order
  }

  take(numbers) {
    const size = Math.ceil(numbers / 4) * 16;
    let from = this.begin;
    let n = 0;
    while (n < this.taken.length && this.taken[n][0] - from < size) {
      from = this.taken[n][1];
      n += 1;
    }
    const more = from + size - this.memory.buffer.byteLength;
    if (more > 0) this.memory.grow(Math.ceil(more / PAGE));
    this.taken.splice(n, 0, [from, from + size]);
    return from;
  }

  free(from) {
    this.taken = this.taken.filter((some) => some[0] !== from);
  }

  empty() {
    this.taken = [];
  }
}

class Engine {
  /** `net`: see above; `numbers`: all its weights, a Float32Array. */
  static async make(net, numbers) {
    const engine = new Engine();
    engine.net = net;
    engine.memory = new WebAssembly.Memory({ initial: 1 });
    engine.run = await kernels(engine.memory);
    engine.place(numbers);
    return engine;
  }

  /** Put weights into memory, in the order in which they are used. */
  place(numbers) {
    const { stages, score, taps } = this.net;
    const all = [...stages.flat().flatMap((block) => block.convs), score,
      ...taps.flatMap((tap) => tap.convs)];
    const room = new Room(this.memory, 16);
    for (const conv of all) {
      const { inputs, outputs, kernel, alone, scale } = conv;
      const area = kernel * kernel;
      conv.wide = alone ? outputs : Math.ceil(outputs / WIDE) * WIDE;
      conv.inner = Math.ceil(area * inputs / STEP) * STEP;
      const size = alone ? area * outputs : conv.inner * conv.wide;
      conv.at = room.take(size);
      conv.biasAt = room.take(conv.wide);
      const weights = new Float32Array(this.memory.buffer, conv.at, size);
      const bias = new Float32Array(this.memory.buffer, conv.biasAt,
        conv.wide);
      bias.set(conv.shift ||
        numbers.subarray(conv.bias, conv.bias + outputs));
      // Stored: (outputs, kernel, kernel, inputs), or (outputs, k, k).
      const depth = alone ? area : area * inputs;
      for (let o = 0; o < outputs; o++) {
        const from = conv.weight + o * depth;
        const group = o - o % WIDE;
        for (let i = 0; i < depth; i++) {
          weights[alone ? i * outputs + o
            : group * conv.inner + i * WIDE + o % WIDE] =
            numbers[from + i] * (scale ? scale[o] : 1);
        }
      }
    }
    this.room = new Room(this.memory, room.take(4));
  }

  // ------------------------------------------------------------- layers

  map(height, width, channels) {
    // Some pixels more: the last product may write beyond the end.
    const at = this.room.take((height * width + ROWS) * channels);
    return { at, height, width, channels };
  }

  view({ at, height, width, channels }) {
    return new Float32Array(this.memory.buffer, at,
      height * width * channels);
  }

  convolve(conv, x) {
    const size = (side) => Math.floor(
      (side + 2 * conv.pad - conv.kernel) / conv.stride) + 1;
    const y = this.map(size(x.height), size(x.width), conv.wide);
    if (conv.alone) this.filter(conv, x, y);
    else this.product(conv, x, y);
    return y;
  }

  limits({ act }) {
    return act ? [0, act] : [-Infinity, Infinity];
  }

  product(conv, x, y) {
    const { kernel, stride, inner, wide } = conv;
    const pixels = y.height * y.width;
    const direct = kernel === 1 && stride === 1;
    const patches = direct ? 0 : this.room.take((CHUNK + ROWS) * inner);
    for (let from = 0; from < pixels; from += CHUNK) {
      const count = Math.min(CHUNK, pixels - from);
      if (!direct) this.gather(conv, x, y, from, count, patches / 4);
      this.run.product(direct ? x.at + 4 * from * inner : patches, conv.at,
        conv.biasAt, y.at + 4 * from * wide, Math.ceil(count / ROWS) * ROWS,
        4 * inner, 4 * wide, ...this.limits(conv));
    }
    if (!direct) this.room.free(patches);
  }

  /** Write what lies under a filter, pixel after pixel, as rows. */
  gather({ kernel, stride, pad, inner }, x, y, from, count, to) {
    const numbers = new Float32Array(this.memory.buffer);
    const { channels } = x;
    numbers.fill(0, to, to + count * inner);
    for (let n = from; n < from + count; n++, to += inner) {
      const left = (n % y.width) * stride - pad;
      const top = Math.floor(n / y.width) * stride - pad;
      const first = Math.max(0, -left);
      const last = Math.min(kernel, x.width - left);
      for (let v = 0; v < kernel && first < last; v++) {
        if (top + v < 0 || top + v >= x.height) continue;
        const begin = x.at / 4 +
          ((top + v) * x.width + left + first) * channels;
        const target = to + (v * kernel + first) * channels;
        const length = (last - first) * channels;
        for (let i = 0; i < length; i++) {
          numbers[target + i] = numbers[begin + i];
        }
      }
    }
  }

  filter(conv, x, y) {
    const { kernel, stride, pad } = conv;
    const pixel = 4 * conv.wide;
    const inside = (place, side) => {
      const first = Math.max(0, -place);
      return [first, Math.min(kernel, side - place) - first];
    };
    for (let v = 0; v < y.height; v++) {
      const [top, rows] = inside(v * stride - pad, x.height);
      const line = x.at + (v * stride - pad + top) * x.width * pixel;
      for (let u = 0; u < y.width;) {
        const place = u * stride - pad;
        const [left, columns] = inside(place, x.width);
        // As many as see the map alike: in the middle, all of them.
        const count = columns < kernel ? 1
          : Math.floor((x.width - kernel - place) / stride) + 1;
        this.run.filter(line + (place + left) * pixel,
          conv.at + (top * kernel + left) * pixel, conv.biasAt,
          y.at + (v * y.width + u) * pixel, count, pixel, rows, columns,
          x.width * pixel, stride * pixel, kernel * pixel,
          ...this.limits(conv));
        u += count;
      }
    }
  }

  block({ convs, add }, x, keep) {
    let y = x;
    for (const conv of convs) {
      const before = y;
      y = this.convolve(conv, before);
      if (before !== x) this.room.free(before.at);
    }
    if (add) {
      const [sum, more] = [this.view(y), this.view(x)];
      for (let n = 0; n < sum.length; n++) sum[n] += more[n];
    }
    if (!keep) this.room.free(x.at);
    return y;
  }

  /** A tap: scale, shift and cut off below 0, then convolutions. */
  tap({ scale, shift, convs }, x) {
    const y = this.map(x.height, x.width, x.channels);
    const [from, to] = [this.view(x), this.view(y)];
    for (let n = 0; n < from.length; n++) {
      const c = n % x.channels;
      to[n] = Math.max(0, from[n] * scale[c] + shift[c]);
    }
    return this.block({ convs }, y);
  }

  // --------------------------------------------------------- whole photo

  /** A photo, ImageData, as the net sees it: padded, normalised. */
  enter({ data, width, height }) {
    const up = (side) => Math.ceil(side / STRIDE) * STRIDE;
    const map = this.map(up(height), up(width), 3);
    const numbers = this.view(map);
    const tables = MEAN.map((mean, c) => Float32Array.from({ length: 256 },
      (_, value) => (value / 255 - mean) / DEVIATION[c]));
    const around = MEAN.map((mean, c) => tables[c][Math.round(255 * mean)]);
    for (let v = 0; v < map.height; v++) {
      for (let u = 0; u < map.width; u++) {
        const to = 3 * (v * map.width + u);
        const from = 4 * (v * width + u);
        const inside = v < height && u < width;
        for (let c = 0; c < 3; c++) {
          numbers[to + c] = inside ? tables[c][data[from + c]] : around[c];
        }
      }
    }
    return map;
  }

  /** The scores of a photo, three maps: of stride 32, 16 and 8.
   *
   * `told(share)` is awaited after each block.
   */
  async scores(photo, told) {
    const { stages, score, taps } = this.net;
    this.room.empty();
    let done = 0;
    const total = stages.flat().length + taps.length + 1;
    let x = this.enter(photo);
    const maps = [];
    for (const stage of stages) {
      for (const [n, block] of stage.entries()) {
        x = this.block(block, x, n === 0 && maps.length > 0);
        await told(++done / total);
      }
      maps.push(x);
    }
    const found = [];
    for (const [map, head] of [[maps[2], { convs: [score] }],
      [maps[1], taps[0]], [maps[0], taps[1]]]) {
      const y = head.scale ? this.tap(head, map)
        : this.block(head, map, true);
      found.push({ ...y, data: this.view(y).slice() });
      this.room.free(y.at);
      await told(++done / total);
    }
    return found.map(({ height, width, channels, data }, n) =>
      ({ height, width, channels, data, down: STRIDE >> n,
        across: STRIDE >> n }));
  }
}
