/* Boxes for numbers that were worked out on paper, and what is said of them.
 *
 * `options.numbers` holds the right numbers by name, each a number, true or
 * false, or lists of these: they come from the solution below which the cell
 * stands. The boxes move up, before the fold that hides the solution.
 */

const ROUNDED = 6e-4; // as the checks: three decimals are enough
const NEARLY = 6e-3;
const WORDS = { true: 1, yes: 1, false: 0, no: 0 };

/** All numbers of nested lists, in their order. */
function flat(value) {
  return Array.isArray(value) ? value.flatMap(flat) : [Number(value)];
}

/** The numbers of a text such as “[9/16, 0.75, 1]”; NaN where it has none. */
function read(text) {
  const words = text.toLowerCase().replace(/−/g, '-')
    .replace(/\s*([*/])\s*/g, '$1').split(/[\s,;()[\]]+/).filter(Boolean);
  return words.map((word) => word in WORDS ? WORDS[word] : product(word));
}

/** The value of a number, a fraction or a product, such as 3/4*3/4. */
function product(word) {
  if (!/^[-+]?(\d+\.?\d*|\.\d+)([*/](\d+\.?\d*|\.\d+))*$/.test(word)) {
    return NaN;
  }
  const [first, ...rest] = word.split(/(?=[*/])/);
  return rest.reduce((value, factor) => factor[0] === '*'
    ? value * Number(factor.slice(1)) : value / Number(factor.slice(1)),
  Number(first));
}

/** What to say of an answer: {state, text}. */
function judge(text, right) {
  const got = read(text);
  if (!got.length) return { state: 'open', text: 'Not answered yet.' };
  if (got.some((value) => !Number.isFinite(value))) {
    return { state: 'wrong', text: 'Numbers, please, such as 0.75 or 3/4; ' +
      'commas between them.' };
  }
  if (got.length !== right.length) {
    const more = got.length < right.length ? 'more' : 'fewer';
    return { state: 'wrong', text: `Not yet: there are ${more} numbers.` };
  }
  const off = got.map((value, n) => Math.abs(value - right[n]));
  const good = off.filter((distance) => distance <= ROUNDED).length;
  if (good === right.length) return { state: 'right', text: 'Right.' };
  if (off.every((distance) => distance <= NEARLY)) {
    return { state: 'wrong', text: 'Nearly: give three digits after the ' +
      'point, or a fraction.' };
  }
  return { state: 'wrong', text: right.length === 1 ? 'Not yet.'
    : `Not yet: ${good} of ${right.length} are right.` };
}

/** What to write into a box, in few words. */
function hint(value) {
  const parts = [value].flat(Infinity);
  const words = parts.every((part) => typeof part === 'boolean')
    ? ['true or false', 'true or false, and commas']
    : ['a number', 'numbers, and commas'];
  return words[parts.length === 1 ? 0 : 1];
}

function make(place) {
  const { numbers = {} } = JSON.parse(place.dataset.options);
  const rows = Object.entries(numbers).map(([name, value]) => {
    const right = flat(value);
    const box = el('input', {
      type: 'text', autocomplete: 'off', spellcheck: 'false',
      placeholder: hint(value),
    });
    const said = el('span', { role: 'status' });
    const show = () => {
      const { state, text } = judge(box.value, right);
      said.className = `answer-said is-${state}`;
      said.textContent = text;
    };
    return { box, show, row: el('div', { 'class': 'answer-row' },
      el('label', {}, el('code', {}, name), box), said) };
  });
  const form = el('form', { 'class': 'book-widget answer' },
    el('p', {}, 'Your answer, here on the page'),
    ...rows.map(({ row }) => row),
    el('button', { type: 'submit' }, 'Check'));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    for (const { show } of rows) show();
  });
  place.append(form);
  onTheme(form, () => {});
  const solution = place.closest('details');
  if (solution) solution.before(place);
  globalThis.answerMath = { judge, flat, ROUNDED }; // to try on the page
}
