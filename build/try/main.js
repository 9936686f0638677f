/* The page «Try it»: a photo comes in, is segmented here, and shown.
 *
 * `bookTry` holds the network and the book's photos, see build/try_page.py.
 * No photo leaves the page: nothing here sends anything anywhere.
 */

const PATIENCE = 40; // milliseconds: so often the page may answer readers

/** An engine with the network's numbers; raises Trouble. */
async function makeEngine(net) {
  if (!net) {
    throw new Trouble('This copy of the book was built without a network ' +
      'in weights/, so there is nothing to try.');
  }
  if (typeof WebAssembly !== 'object') {
    throw new Trouble('This browser has no WebAssembly, which computes the ' +
      'network here.');
  }
  const numbers = fromHalves(unpacked(net.numbers));
  net.numbers = null; // large, and needed once
  try {
    return await Engine.make(net, numbers);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) {
      throw new Trouble('This browser’s WebAssembly cannot compute with ' +
        'four numbers at a time, as browsers since 2023 can.');
    }
    throw inWords(error);
  }
}

/** Too little memory as Trouble; any other error as it is. */
function inWords(error) {
  return error instanceof RangeError ? new Trouble('There is too little ' +
    'memory for the network here: close other pages, and try again.')
    : error;
}

class TryPage {
  constructor(place) {
    this.net = bookTry.net;
    this.turn = 0; // which photo is wanted
    this.build(place);
    this.engine = makeEngine(this.net);
    this.engine.catch((error) => this.complain(error));
    this.listen();
  }

  // ------------------------------------------------------------ page

  build(place) {
    const choose = (text, options) => {
      const input = el('input', { type: 'file', accept: 'image/*',
        ...options, onchange: () => {
          if (input.files[0]) this.open(input.files[0]);
          input.value = '';
        } });
      return el('label', { 'class': 'try-choose' }, input, text);
    };
    const touch = matchMedia('(pointer: coarse)').matches;
    this.status = el('p', { 'class': 'try-status', role: 'status' });
    this.bar = el('progress', { max: '1', value: '0', hidden: true,
      'aria-label': 'How much of the network is computed' });
    this.thumbs = bookTry.photos.map(({ name, data }, n) => el('button', {
      type: 'button', 'aria-pressed': 'false',
      onclick: () => this.openOwn(n),
    }, el('img', {
      alt: `The book’s photo «${name.replaceAll('-', ' ')}»`,
      src: `data:image/jpeg;base64,${data}`,
    })));
    this.save = el('button', { type: 'button', hidden: true,
      onclick: () => this.download() }, 'Save the labels (PNG)');
    this.room = el('div', { hidden: true });
    this.root = el('section', { 'class': 'book-widget compare try',
      'aria-label': 'Segment a photo' },
    el('div', { 'class': 'try-drop' },
      choose('Choose a photo', {}),
      touch ? choose('Take a photo', { capture: 'environment' }) : '',
      el('span', {}, 'or drop it here, or paste it')),
    this.thumbs.length ? el('div', { 'class': 'compare-thumbs',
      role: 'group', 'aria-label': 'Photos of the book' }, ...this.thumbs)
      : '',
    this.status, this.bar, this.room, this.save);
    if (this.net) {
      this.result = new Segmented(this.net);
      this.room.append(this.result.root);
    }
    place.append(this.root, ...(this.net ? [this.facts()] : []));
    onTheme(this.root, () => {});
    this.say('The photo stays on this page: nothing is sent anywhere.');
  }

  /** What the network knows, and where that comes from. */
  facts() {
    const { about, classes } = this.net;
    const { photos = {}, scale, ...rest } = about;
    const known = classes.slice(1);
    const few = known.filter((name) => photos[name] < FEW);
    const list = (names) => names.map((name) => name in photos
      ? `${name} (${photos[name]})` : name).join(', ');
    const counts = Object.keys(photos).length
      ? ' (and so many photos of it were there to learn from)' : '';
    const facts = [[`It looks for${counts}`, list(known.filter((name) =>
      !few.includes(name))) + '. All else is background.']];
    if (few.length) {
      facts.push([`Hardly known, for it saw fewer than ${FEW} photos of them`,
        list(few)]);
    }
    for (const [name, text] of Object.entries(rest)) {
      facts.push([name, String(text)]);
    }
    return el('dl', { 'class': 'try-facts' }, ...facts.flatMap(
      ([name, text]) => [el('dt', {}, name), el('dd', {}, text)]));
  }

  listen() {
    addEventListener('dragover', (event) => {
      if (![...event.dataTransfer.types].includes('Files')) return;
      event.preventDefault(); // or the browser leaves for the file
      this.root.classList.add('is-over');
    });
    const over = () => this.root.classList.remove('is-over');
    addEventListener('dragleave', (event) => {
      if (!event.relatedTarget) over();
    });
    addEventListener('drop', (event) => {
      over();
      if (![...event.dataTransfer.types].includes('Files')) return;
      event.preventDefault();
      this.openFirst(event.dataTransfer.files);
    });
    addEventListener('paste', (event) => {
      if (event.target.closest?.('input, textarea')) return;
      this.openFirst(event.clipboardData.files);
    });
  }

  say(text) {
    this.status.classList.remove('is-bad');
    this.status.textContent = text;
  }

  complain(error) {
    const known = error instanceof Trouble;
    this.bar.hidden = true;
    this.status.classList.add('is-bad');
    this.status.textContent = known ? error.message
      : 'Something went wrong here: ' + error.message;
    if (!known) console.error(error);
  }

  // ----------------------------------------------------------- photos

  openFirst(files) {
    if (files.length) this.open(files[0]);
    else this.complain(new Trouble('That is no file of a photo.'));
  }

  openOwn(n) {
    const { name, data } = bookTry.photos[n];
    const blob = new Blob([unpacked(data)], { type: 'image/jpeg' });
    return this.open(blob, `${name}.jpg`, n);
  }

  /** Segment a photo, a file; one that comes meanwhile takes its place. */
  async open(blob, name = blob.name || 'photo.png', thumb = -1) {
    const turn = ++this.turn;
    const before = this.working;
    this.thumbs.forEach((button, n) => button.setAttribute('aria-pressed',
      String(n === thumb)));
    this.working = (async () => {
      await before;
      if (turn !== this.turn) return;
      try {
        await this.segment(blob, name, turn);
      } catch (error) {
        if (turn === this.turn) this.complain(inWords(error));
      }
    })();
    return this.working;
  }

  async segment(blob, name, turn) {
    this.say(`Looking at ${name} …`);
    this.bar.value = 0;
    this.bar.hidden = false;
    const photo = await readPhoto(blob, name, this.net?.longest || 1);
    const engine = await this.engine;
    // In the size in which the net sees best; its maps are enlarged by more.
    const seen = await scaled(photo, this.net.about.scale ?? 1);
    const begun = performance.now();
    let breath = begun;
    const maps = await engine.scores(seen, async (share) => {
      if (performance.now() - breath < PATIENCE) return;
      this.bar.value = share;
      await new Promise((done) => { setTimeout(done); });
      breath = performance.now();
      if (turn !== this.turn) throw new Trouble('Another photo came.');
    });
    for (const map of maps) {
      map.down *= photo.height / seen.height;
      map.across *= photo.width / seen.width;
    }
    this.room.hidden = false;
    this.result.show(photo, maps);
    this.name = name.replace(/\.[^.]*$/, '') || 'photo';
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    this.bar.hidden = true;
    this.save.hidden = typeof CompressionStream !== 'function';
    this.say(`${name}, seen at ${seen.width} × ${seen.height} pixels: ` +
      `${seconds} seconds on this machine.`);
  }

  /** Save the labels as the palette PNG that `make predict` writes. */
  async download() {
    const { image } = this.result;
    const png = await palettePng(this.result.result().labels, ...image.size,
      this.net.palette);
    const link = el('a', { href: URL.createObjectURL(png),
      download: `${this.name}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

function makeTry(place) {
  place.tryPage = new TryPage(place);
}
