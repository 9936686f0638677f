/* A photo that was segmented: photo, labels and overlay behind two borders,
 * the net with fewer taps beside it, and what was found, by class.
 *
 * The stage with its borders is that of the book's other comparison.
 */

const NETS = ['FCN-32s', 'FCN-16s', 'FCN-8s'];
const TAPS = ['no skip', 'one skip', 'two skips'];
const FEW = 50; // photos: a class learnt from fewer is not to be trusted
const SEEN = 0.002; // of the pixels: less is not listed

class Segmented extends Compare {
  /** `net`: what try_page.py writes. */
  constructor(net) {
    const data = { images: [], classes: net.classes, colors: net.colors };
    super(el('div', { 'data-options': JSON.stringify(data) }));
    this.net = net;
  }

  build(place) {
    super.build(place);
    this.root.firstChild.remove(); // there is nothing to choose from
    this.root.classList.remove('book-widget'); // it is in one
    this.root.classList.add('try-result');
    this.root.setAttribute('aria-label', 'Photo, labels and overlay');
    ['photo and labels', 'labels and overlay'].forEach((names, n) =>
      this.handles[n].setAttribute('aria-label', `Border between ${names}`));
    this.legend.setAttribute('aria-label', 'Classes in this photo');
    this.nets = NETS.map((name, n) => el('button', {
      type: 'button', 'aria-pressed': 'false', onclick: () => this.use(n),
    }, el('canvas', { role: 'img', 'aria-label': `Labels by ${name}` }),
    el('span', {}, el('b', {}, name), `, ${TAPS[n]}`)));
    this.differences = el('p', { 'class': 'try-differences' });
    this.root.append(
      el('p', { 'class': 'try-head' }, 'The same network with its skip ' +
        'connections switched off, one after the other. Press one to see ' +
        'it above.'),
      el('div', { 'class': 'try-nets', role: 'group',
        'aria-label': 'Skip connections' }, ...this.nets),
      this.differences);
  }

  choose() {} // there are no images to begin with

  /** Show a photo, ImageData, with the maps of scores that it gave. */
  show(photo, maps) {
    const { width, height } = photo;
    const results = NETS.map((_, n) => n < 2 ? null
      : decide(maps, this.net.classes.length, width, height));
    this.image = { size: [width, height], photo, maps, results };
    this.heat = null;
    this.probe = null;
    this.use(2);
    this.layout();
    // The others a moment later: the result stands there first.
    setTimeout(() => this.compareNets(this.image), 30);
  }

  compareNets(image) {
    if (image !== this.image) return; // another photo came
    const [width, height] = image.size;
    const finest = image.results[2].labels;
    const shares = NETS.map((name, n) => {
      image.results[n] = image.results[n] || decide(
        image.maps.slice(0, n + 1), this.net.classes.length, width, height);
      const { labels } = image.results[n];
      const canvas = this.nets[n].firstChild;
      canvas.width = width;
      canvas.height = height;
      canvas.getContext('2d').drawImage(this.overlay(labels), 0, 0);
      let other = 0;
      for (let i = 0; i < labels.length; i++) other += labels[i] !== finest[i];
      return `${name} in ${(100 * other / labels.length).toFixed(1)} %`;
    });
    this.differences.textContent = 'Another class than FCN-8s have: ' +
      `${shares[0]} of the pixels, ${shares[1]}.`;
  }

  /** Show the result of one of the nets. */
  use(n) {
    if (!this.image) return;
    const [width, height] = this.image.size;
    const { results, maps } = this.image;
    results[n] = results[n] || decide(maps.slice(0, n + 1),
      this.net.classes.length, width, height);
    this.chosen = n;
    this.nets.forEach((button, at) => button.setAttribute('aria-pressed',
      String(at === n)));
    this.warm(this.heat);
    this.showLegend();
  }

  /** Show where a class is probable, or the overlay if it is null. */
  warm(wanted) {
    const [width, height] = this.image.size;
    this.heat = wanted;
    this.hot = wanted === null ? null : probability(
      this.image.maps.slice(0, this.chosen + 1), this.net.classes.length,
      width, height, wanted);
    for (const button of this.legend.querySelectorAll('button')) {
      button.setAttribute('aria-pressed',
        String(Number(button.dataset.label) === wanted));
    }
    this.compose();
  }

  result() {
    return this.image.results[this.chosen];
  }

  /** A canvas with the photo, each pixel under the colour of its value.
   *
   * `values`: whole numbers, one a pixel; `paint(value)`: [rgb, how much of
   * the photo it covers]. */
  painted(values, paint) {
    const [width, height] = this.image.size;
    const { data } = this.image.photo;
    const out = new ImageData(width, height);
    const paints = Array.from({ length: 256 }, (_, value) => paint(value));
    for (let n = 0; n < values.length; n++) {
      const [rgb, over] = paints[values[n]];
      for (let part = 0; part < 3; part++) {
        out.data[4 * n + part] = data[4 * n + part] * (1 - over) +
          rgb[part] * over;
      }
      out.data[4 * n + 3] = 255;
    }
    const canvas = el('canvas', { width, height });
    canvas.getContext('2d').putImageData(out, 0, 0);
    return canvas;
  }

  overlay(labels) {
    return this.painted(labels, (label) => [this.data.colors[label],
      label ? 0.6 : 0.3]);
  }

  compose() {
    if (!this.image) return;
    const { labels } = this.result();
    this.layers = [
      this.painted(labels, () => [[0, 0, 0], 0]),
      this.painted(labels, (label) => [this.data.colors[label], 1]),
      this.hot ? this.painted(this.hot, (share) => {
        // From dark blue, where it is not, to light yellow.
        const t = share / 255;
        return [[20 + 235 * t, 12 + 238 * t ** 1.3, 70 + 120 * t], 0.8];
      }) : this.overlay(labels),
    ];
    ['photo', 'labels', this.hot ? this.name(this.heat) : 'overlay'].forEach(
      (text, n) => { this.tags[n].textContent = text; });
    this.look(this.probe);
  }

  look(probe) {
    this.probe = probe;
    this.lit = [];
    this.readout.replaceChildren();
    if (probe && this.image) {
      const at = probe[1] * this.image.size[0] + probe[0];
      const { labels, sure } = this.result();
      this.readout.append(this.swatch(labels[at]),
        el('b', {}, this.name(labels[at])), ', confidence ',
        el('b', {}, (sure[at] / 255).toFixed(2)), '.');
      if (this.hot) {
        this.readout.append(` Probability of ${this.name(this.heat)}: `,
          el('b', {}, (this.hot[at] / 255).toFixed(2)), '.');
      }
      this.lit = [labels[at]];
    } else {
      this.readout.append('Drag the two borders. Point at the picture to ' +
        'read a pixel’s class and the network’s confidence.');
    }
    for (const item of this.legend.children) {
      item.classList.toggle('is-lit',
        this.lit.includes(Number(item.dataset.label)));
    }
    this.paint();
  }

  showLegend() {
    const { labels } = this.result();
    const counts = new Array(this.net.classes.length).fill(0);
    for (const label of labels) counts[label] += 1;
    const { photos = {} } = this.net.about;
    this.legend.replaceChildren(...counts.map((count, label) => ({ label,
      share: count / labels.length })).filter(({ share }) => share > SEEN)
      .sort((one, other) => other.share - one.share)
      .map(({ label, share }) => el('li', { 'data-label': label },
        el('button', { type: 'button', 'data-label': label,
          'aria-pressed': String(this.heat === label),
          title: `Where is ${this.name(label)} probable?`,
          onclick: () => this.warm(this.heat === label ? null : label),
        }, this.swatch(label), `${this.name(label)} `,
        el('b', {}, `${(100 * share).toFixed(1)} %`)),
        photos[this.name(label)] < FEW ? el('span', { 'class': 'try-few' },
          ` learnt from ${photos[this.name(label)]} photos only`) : '')));
    this.look(this.probe);
  }
}
