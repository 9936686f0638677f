/* Two functions in WebAssembly, four numbers at a time: the matrix product
 * behind every convolution, and the filter that sees one channel alone.
 *
 * Their bytes are written here, by a few functions that stand for the
 * instructions: so no binary file, and nothing to fetch, which a page opened
 * as a file may not do. Maps lie in memory by row, column, channel.
 */

// ----------------------------------------------------------- instructions

/** A whole number >= 0 as WebAssembly writes it: seven bits a byte. */
function leb(number) {
  const bytes = [];
  do {
    bytes.push((number & 127) | (number > 127 ? 128 : 0));
    number >>>= 7;
  } while (number);
  return bytes;
}

/** The same of a number with a sign, which the last byte's bit 6 holds. */
function signedLeb(number) {
  const bytes = [];
  for (;;) {
    const byte = number & 127;
    number >>= 7;
    if (number === (byte & 64 ? -1 : 0)) return [...bytes, byte];
    bytes.push(byte | 128);
  }
}

const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const simd = (code) => [0xfd, ...leb(code)];
const get = (local) => [0x20, ...leb(local)];
const set = (local, value) => [...value, 0x21, ...leb(local)];
const constant = (number) => [0x41, ...signedLeb(number)];
const plus = (one, other) => [...one, ...other, 0x6a];
const times = (one, other) => [...one, ...other, 0x6c];
const quarter = (number) => [...number, 0x41, 2, 0x76];
const below = (one, other) => [...one, ...other, 0x49];
const load = (at, offset) => [...at, ...simd(0), 2, ...leb(offset)];
const spread = (at, offset) => [...at, ...simd(9), 2, ...leb(offset)];
const store = (at, offset, value) =>
  [...at, ...value, ...simd(11), 2, ...leb(offset)];
const splat = (value) => [...value, ...simd(0x13)];
const vPlus = (one, other) => [...one, ...other, ...simd(0xe4)];
const vTimes = (one, other) => [...one, ...other, ...simd(0xe6)];
const vMin = (one, other) => [...one, ...other, ...simd(0xe8)];
const vMax = (one, other) => [...one, ...other, ...simd(0xe9)];
/** Do something, and again as long as a condition holds. */
const repeat = (body, again) => [0x03, 0x40, ...body, ...again, 0x0d, 0, 0x0b];

/** A function: its parameters and locals have names and kinds. */
function routine(parameters, locals, write) {
  const names = {};
  [...Object.keys(parameters), ...Object.keys(locals)].forEach(
    (name, n) => { names[name] = n; });
  const declared = Object.values(locals).map((kind) => [1, kind]);
  const body = [...leb(declared.length), ...declared.flat(), ...write(names),
    0x0b];
  return { kinds: Object.values(parameters),
    code: [...leb(body.length), ...body] };
}

/** A module that exports routines by name and works in a given memory. */
function moduleOf(routines) {
  const list = Object.entries(routines);
  const text = (word) => [word.length,
    ...[...word].map((letter) => letter.charCodeAt(0))];
  const section = (id, items) => {
    const bytes = [...leb(items.length), ...items.flat()];
    return [id, ...leb(bytes.length), ...bytes];
  };
  return new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, list.map(([, { kinds }]) =>
      [0x60, kinds.length, ...kinds, 0])),
    ...section(2, [[...text('js'), ...text('memory'), 2, 0, 1]]),
    ...section(3, list.map((_, n) => [n])),
    ...section(7, list.map(([name], n) => [...text(name), 0, n])),
    ...section(10, list.map(([, { code }]) => code)),
  ]);
}

// ---------------------------------------------------------------- kernels

const ROWS = 4; // pixels that are computed at once
const WIDE = 8; // channels that are computed at once
const STEP = 4; // input channels a round of the innermost loop

/** out[p][o] = clamp(bias[o] + sum of input[p][i] * weight[i][o]).
 *
 * `rows`, a multiple of ROWS, pixels of `inner` numbers each, a multiple of
 * STEP; `outer`, a multiple of WIDE. The weights of WIDE channels o lie
 * together: (outer / WIDE, inner, WIDE). All sizes but rows are in bytes.
 */
function productRoutine() {
  const parameters = { input: I32, weight: I32, bias: I32, output: I32,
    rows: I32, inner: I32, outer: I32, low: F32, high: F32 };
  const locals = { o: I32, row: I32, w: I32, end: I32, out: I32, lo: V128,
    hi: V128, w0: V128, w1: V128, x: V128 };
  for (let p = 0; p < ROWS; p++) {
    Object.assign(locals, { [`in${p}`]: I32, [`a${p}`]: V128,
      [`b${p}`]: V128 });
  }
  return routine(parameters, locals, (at) => {
    const local = (name) => get(at[name]);
    const each = (code) => [...Array(ROWS).keys()].flatMap(code);
    const add = (sum, w) => set(at[sum],
      vPlus(local(sum), vTimes(local('x'), local(w))));
    const clamp = (sum) => vMin(vMax(local(sum), local('lo')), local('hi'));
    const round = [...Array(STEP).keys()].flatMap((i) => [
      ...set(at.w0, load(local('w'), 4 * WIDE * i)),
      ...set(at.w1, load(local('w'), 4 * WIDE * i + 16)),
      ...each((p) => [
        ...set(at.x, spread(local(`in${p}`), 4 * i)),
        ...add(`a${p}`, 'w0'), ...add(`b${p}`, 'w1'),
      ])]);
    const fourRows = [
      ...set(at.w, plus(local('weight'), times(local('inner'),
        quarter(local('o'))))),
      ...each((p) => [
        ...set(at[`in${p}`], p === 0
          ? plus(local('input'), times(local('row'), local('inner')))
          : plus(local(`in${p - 1}`), local('inner'))),
        ...set(at[`a${p}`], load(plus(local('bias'), local('o')), 0)),
        ...set(at[`b${p}`], load(plus(local('bias'), local('o')), 16)),
      ]),
      ...set(at.end, plus(local('in0'), local('inner'))),
      ...repeat([...round,
        ...each((p) => set(at[`in${p}`],
          plus(local(`in${p}`), constant(4 * STEP)))),
        ...set(at.w, plus(local('w'), constant(4 * WIDE * STEP))),
      ], below(local('in0'), local('end'))),
      ...set(at.out, plus(plus(local('output'), local('o')),
        times(local('row'), local('outer')))),
      ...each((p) => [
        ...store(local('out'), 0, clamp(`a${p}`)),
        ...store(local('out'), 16, clamp(`b${p}`)),
        ...set(at.out, plus(local('out'), local('outer'))),
      ]),
      ...set(at.row, plus(local('row'), constant(ROWS))),
    ];
    return [
      ...set(at.lo, splat(local('low'))),
      ...set(at.hi, splat(local('high'))),
      ...set(at.o, constant(0)),
      ...repeat([
        ...set(at.row, constant(0)),
        ...repeat(fourRows, below(local('row'), local('rows'))),
        ...set(at.o, plus(local('o'), constant(4 * WIDE))),
      ], below(local('o'), local('outer'))),
    ];
  });
}

/** A filter for each channel: `count` pixels side by side.
 *
 * `input`: the first number under the filter; `weight`: (rows, columns,
 * channels), from the first row and column that lies on the map. `down`: from
 * a row of the map to the next, `step`: from an output's place to the next,
 * `turn`: from a row of the filter to the next; all sizes but `count`, `rows`
 * and `columns` in bytes.
 */
function filterRoutine() {
  const parameters = { input: I32, weight: I32, bias: I32, output: I32,
    count: I32, channels: I32, rows: I32, columns: I32, down: I32, step: I32,
    turn: I32, low: F32, high: F32 };
  const locals = { c: I32, y: I32, x: I32, line: I32, row: I32, in: I32,
    w: I32, sum: V128, lo: V128, hi: V128 };
  return routine(parameters, locals, (at) => {
    const local = (name) => get(at[name]);
    const step = (name, by) => set(at[name], plus(local(name), by));
    const down = [0x20, at.count, 0x41, 1, 0x6b, 0x22, at.count];
    return [
      ...set(at.lo, splat(local('low'))),
      ...set(at.hi, splat(local('high'))),
      ...repeat([
        ...set(at.c, constant(0)),
        ...repeat([
          ...set(at.sum, load(plus(local('bias'), local('c')), 0)),
          ...set(at.line, plus(local('input'), local('c'))),
          ...set(at.row, plus(local('weight'), local('c'))),
          ...set(at.y, constant(0)),
          ...repeat([
            ...set(at.in, local('line')),
            ...set(at.w, local('row')),
            ...set(at.x, constant(0)),
            ...repeat([
              ...set(at.sum, vPlus(local('sum'),
                vTimes(load(local('in'), 0), load(local('w'), 0)))),
              ...step('in', local('channels')),
              ...step('w', local('channels')),
              ...step('x', constant(1)),
            ], below(local('x'), local('columns'))),
            ...step('line', local('down')),
            ...step('row', local('turn')),
            ...step('y', constant(1)),
          ], below(local('y'), local('rows'))),
          ...store(plus(local('output'), local('c')), 0,
            vMin(vMax(local('sum'), local('lo')), local('hi'))),
          ...step('c', constant(16)),
        ], below(local('c'), local('channels'))),
        ...step('output', local('channels')),
        ...step('input', local('step')),
      ], down),
    ];
  });
}

/** Compile both for a memory: {product, filter}. */
async function kernels(memory) {
  const bytes = moduleOf({ product: productRoutine(),
    filter: filterRoutine() });
  const made = await WebAssembly.instantiate(bytes, { js: { memory } });
  return made.instance.exports;
}
