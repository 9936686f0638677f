/* The size of the output, worked out, and the layer as a line of Gluon. */

class Formula {
  constructor(explorer) {
    this.explorer = explorer;
    // The first explorer of a page gives the size a name.
    const first = !document.getElementById('tconv-output-size');
    this.size = el('output', {
      'class': 'tconv-size', ...(first ? { id: 'tconv-output-size' } : {}),
    });
    this.sums = { h: el('span'), w: el('span') };
    this.code = el('code');
    const rule = el('p', { 'class': 'tconv-rule' });
    rule.innerHTML = '<var>o</var>′ = <var>s</var> (<var>i</var>′ − 1) + ' +
      '<var>k</var> − 2<var>p</var> + <var>a</var>';
    const copies = (label, text) => {
      const button = el('button', {
        type: 'button', 'class': 'tconv-copy',
        onclick: () => this.copy(text(explorer.state), button, label),
      }, label);
      return button;
    };
    const link = copies('Copy link', (state) =>
      location.href.replace(/#.*$/, '') + '#' + encode(state));
    if (explorer.inLab) link.hidden = true;
    this.root = el('div', { 'class': 'tconv-formula' },
      el('div', { 'class': 'tconv-sums' },
        rule,
        el('p', {}, el('span', { 'class': 'tconv-label' }, 'height'),
          this.sums.h),
        el('p', {}, el('span', { 'class': 'tconv-label' }, 'width'),
          this.sums.w)),
      el('p', { 'class': 'tconv-result' },
        el('span', { 'class': 'tconv-label' }, 'Output size'),
        this.size),
      el('div', { 'class': 'tconv-code' },
        this.code, copies('Copy code', gluon), link));
  }

  show() {
    const { state, rows, cols } = this.explorer;
    const { h, w, k, s, p, a } = state;
    for (const [key, i] of [['h', h], ['w', w]]) {
      this.sums[key].textContent = `${s} (${i} − 1) + ${k} − 2 · ${p} + ` +
        `${a} = ${outputSize(i, k, s, p, a)}`;
    }
    this.size.textContent = `${rows} × ${cols}`;
    this.code.textContent = gluon(state);
  }

  async copy(text, button, label) {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = el('textarea', { 'aria-hidden': 'true' });
      area.value = text;
      this.root.append(area);
      area.select();
      done = document.execCommand('copy');
      area.remove();
      button.focus();
    }
    button.textContent = done ? 'Copied' : 'Not copied';
    this.explorer.say(button.textContent);
    setTimeout(() => { button.textContent = label; }, 1500);
  }
}
