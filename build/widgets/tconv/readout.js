/* What a choice touches, in words and numbers. Each function returns nodes:
 * a first line, and what stands below it. */

function explain(explorer, focus) {
  if (!focus) {
    return [el('p', { 'class': 'tconv-hint' }, 'Point at a cell of any ' +
      'grid to see its arithmetic; click to keep it.')];
  }
  const { kind } = focus;
  if (kind === 'x') return explainInput(explorer, focus.at);
  if (kind === 'k') return explainTap(explorer, focus.at);
  if (kind === 'y') return explainOutput(explorer, focus.at);
  return explainEntry(explorer, focus);
}

/** Bold, in the colour of X, K or Y. */
function strong(kind, text) {
  return el('b', { 'class': `tconv-${kind}` }, text);
}

/** A cell's name, such as X[1, 2]. */
function cellName({ state, cols }, kind, at) {
  const wide = { x: state.w, k: state.k, y: cols }[kind];
  return strong(kind,
    `${kind.toUpperCase()}[${Math.floor(at / wide)}, ${at % wide}]`);
}

function cellValue(kind, value) {
  return el('span', { 'class': `tconv-${kind}` }, number(value));
}

function explainInput(explorer, at) {
  const { state: { w, k, s, p }, X, K, rows, cols } = explorer;
  const top = s * Math.floor(at / w) - p;
  const left = s * (at % w) - p;
  const value = X[at];
  const line = el('p', {}, cellName(explorer, 'x', at), ' = ',
    cellValue('x', value), ' stamps ', cellValue('x', value), ' × ',
    strong('k', 'K'), ' onto ');
  const range = (low, high) => low >= high ? `${high}` : `${low}–${high}`;
  const [r0, r1] = [Math.max(top, 0), Math.min(top + k, rows) - 1];
  const [c0, c1] = [Math.max(left, 0), Math.min(left + k, cols) - 1];
  const kept = Math.max(r1 - r0 + 1, 0) * Math.max(c1 - c0 + 1, 0);
  if (kept) {
    line.append(`rows ${range(r0, r1)}, columns ${range(c0, c1)} of `,
      strong('y', 'Y'));
    if (kept < k * k) {
      line.append(`; padding cuts off ${k * k - kept} of its ` +
        `${k * k} cells`);
    }
    line.append('.');
  } else {
    line.append('cells that padding cuts off.');
  }
  const products = el('div', {
    'class': 'tconv-products', style: `--k: ${k}`,
  });
  let first = 0; // the product with the largest weight, as an example
  K.forEach((weight, t) => {
    const m = top + Math.floor(t / k);
    const n = left + t % k;
    const out = m < 0 || n < 0 || m >= rows || n >= cols;
    products.append(el('span', out ? { 'class': 'is-cut' } : {},
      number(value * weight, 2)));
    if (Math.abs(weight) > Math.abs(K[first])) first = t;
  });
  return [line, el('div', { 'class': 'tconv-worked' },
    el('span', {}, cellValue('x', value), ' × ', strong('k', 'K'), ' ='),
    products,
    el('span', { 'class': 'tconv-quiet' }, 'for example ',
      cellValue('x', value), ' × ', cellValue('k', K[first]), ' = ',
      number(value * K[first])))];
}

function explainOutput(explorer, at) {
  const { state, X, K, Y, cols } = explorer;
  const found = terms(Math.floor(at / cols), at % cols, state);
  const name = cellName(explorer, 'y', at);
  if (!found.length) {
    return [el('p', {}, 'No stamp reaches ', name, ': it stays 0.')];
  }
  const line = el('p', {}, name, ' collects ', String(found.length),
    found.length === 1 ? ' product: ' : ' products: ');
  if (found.length <= 4) {
    found.forEach(({ cell, tap }, n) => line.append(n ? ' + ' : '',
      cellName(explorer, 'x', cell), ' ', cellName(explorer, 'k', tap)));
  } else {
    line.append('one for each stamp that reaches it.');
  }
  const sum = el('p', { 'class': 'tconv-sum' }, '= ');
  found.forEach(({ cell, tap }, n) => {
    const weight = cellValue('k', K[tap]);
    sum.append(n ? ' + ' : '', cellValue('x', X[cell]), '·',
      ...(K[tap] < 0 ? ['(', weight, ')'] : [weight]));
  });
  sum.append(' = ', strong('y', number(Y[at])));
  return [line, sum];
}

function explainTap(explorer, tap) {
  const { state: { h, w, k, s, p }, X, K, entries } = explorer;
  const used = entries.tap.filter((t) => t === tap).length;
  const place = (letter, shift) => {
    const front = s === 1 ? letter : `${s}${letter}`;
    return shift ? `${front} ${shift > 0 ? '+' : '−'} ${Math.abs(shift)}`
      : front;
  };
  const line = el('p', {}, cellName(explorer, 'k', tap), ' = ',
    cellValue('k', K[tap]), ' meets every input cell once: ',
    cellValue('k', K[tap]), ' · ', strong('x', 'X[i, j]'), ' goes to ',
    strong('y', `Y[${place('i', Math.floor(tap / k) - p)}, ` +
      `${place('j', tap % k - p)}]`),
    used < h * w ? `; ${h * w - used} of ${h * w} fall outside the output.`
      : '.');
  const sum = el('p', { 'class': 'tconv-sum' });
  let listed = 0;
  for (let e = 0; e < entries.tap.length && listed < 8; e++) {
    if (entries.tap[e] !== tap) continue;
    const cell = entries.col[e];
    sum.append(listed ? ',  ' : '', cellValue('k', K[tap]), '·',
      cellValue('x', X[cell]), ' = ', number(K[tap] * X[cell]), ' → ',
      cellName(explorer, 'y', entries.row[e]));
    listed += 1;
  }
  if (used > listed) sum.append(', …');
  return [line, sum];
}

function explainEntry(explorer, { row, col }) {
  const { X, K, Y } = explorer;
  const tap = explorer.tapAt(row, col);
  const line = el('p', {}, `Row ${row} of Wᵀ makes `,
    cellName(explorer, 'y', row), `, column ${col} belongs to `,
    cellName(explorer, 'x', col), '. ');
  if (tap === undefined) {
    line.append('Their entry is 0: the stamp does not reach that cell.');
  } else {
    line.append('Their entry is ', cellName(explorer, 'k', tap), ' = ',
      cellValue('k', K[tap]), ', so ', cellValue('x', X[col]), '·',
      cellValue('k', K[tap]), ' = ', number(X[col] * K[tap]), ' of ',
      strong('y', number(Y[row])), ' comes from here.');
  }
  return [line];
}
