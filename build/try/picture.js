/* Photos from files, and labels as files. */

const MOST = 120e6; // pixels of a photo: more do not fit into memory

/** What went wrong, in one sentence for readers. */
class Trouble extends Error {}

/** The bytes that a text in base64 stands for. */
function unpacked(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < bytes.length; n++) bytes[n] = letters.charCodeAt(n);
  return bytes;
}

/** Whether a file of a photo, its bytes, ends before its end is marked.
 *
 * Browsers show what there is of it, and leave the rest grey.
 */
function endsEarly(bytes) {
  const view = new DataView(bytes.buffer);
  const has = (mark, from) => {
    for (let n = from; n + 4 <= bytes.length; n++) {
      if (view.getUint32(n) === mark) return true;
    }
    return false;
  };
  if (bytes.length < 16) return true;
  const first = view.getUint32(0);
  if (first === 0x89504e47) return !has(0x49454e44, 8); // PNG: IEND
  if (first === 0x52494646) { // RIFF, as WebP is
    return view.getUint32(4, true) + 8 > bytes.length;
  }
  if (first >>> 8 !== 0xffd8ff) return false;
  let at = 2; // JPEG: parts with their lengths, then the pixels' scans
  while (at + 4 <= bytes.length && view.getUint16(at) !== 0xffda) {
    at += 2 + view.getUint16(at + 2);
  }
  while (at + 2 <= bytes.length && view.getUint16(at) !== 0xffd9) at++;
  return at + 2 > bytes.length;
}

/** Read a photo upright, its longer side at most `longest` pixels.
 *
 * `blob`: of any kind that the browser reads. What is transparent becomes
 * white. Returns ImageData; raises Trouble that names the photo.
 */
async function readPhoto(blob, name, longest) {
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  try {
    await new Promise((done, failed) => {
      image.onload = done;
      image.onerror = failed;
    });
    const { naturalWidth: wide, naturalHeight: high } = image;
    if (wide * high > MOST) {
      throw new Trouble(`${name} has ${Math.round(wide * high / 1e6)} ` +
        `megapixels; at most ${MOST / 1e6} fit in here.`);
    }
    if (!(wide * high)) throw new Error('no size');
    if (endsEarly(new Uint8Array(await blob.arrayBuffer()))) {
      throw new Trouble(`${name} is cut off: a part of the photo is missing.`);
    }
    return drawn(image, wide, high, Math.min(1, longest / Math.max(wide, high)));
  } catch (error) {
    if (error instanceof Trouble) throw error;
    throw new Trouble(`${name} cannot be read as a photo.`);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

/** A picture of wide × high pixels, smaller by a scale, on white: ImageData. */
function drawn(picture, wide, high, scale) {
  const [width, height] = [wide, high].map((side) =>
    Math.max(1, Math.round(side * scale)));
  const canvas = el('canvas', { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** A photo, ImageData, at a scale. */
async function scaled(photo, scale) {
  if (scale === 1) return photo;
  const bitmap = await createImageBitmap(photo);
  return drawn(bitmap, photo.width, photo.height, scale);
}

// --------------------------------------------------------------- PNG files

const CRC = Int32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) {
    n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  }
  return n;
});

/** A part of a PNG file: length, kind, data, check sum. */
function pngPart(kind, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  let crc = -1;
  for (let n = 4; n < 8 + data.length; n++) {
    crc = CRC[(crc ^ bytes[n]) & 255] ^ (crc >>> 8);
  }
  view.setUint32(8 + data.length, crc ^ -1);
  return bytes;
}

/** A label as a palette PNG, a Blob: what `make predict` writes.
 *
 * `labels`: Uint8Array; `palette`: 768 numbers, RGB of every index.
 */
async function palettePng(labels, width, height, palette) {
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8); // bits a pixel
  head.setUint8(9, 3); // of an index into a palette
  const rows = new Uint8Array(height * (width + 1)); // each begins with 0
  for (let y = 0; y < height; y++) {
    rows.set(labels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  const packed = new Blob([rows]).stream().pipeThrough(
    new CompressionStream('deflate'));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  return new Blob([
    new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]),
    pngPart('IHDR', new Uint8Array(head.buffer)),
    pngPart('PLTE', Uint8Array.from(palette)),
    pngPart('IDAT', data),
    pngPart('IEND', new Uint8Array(0)),
  ], { type: 'image/png' });
}
