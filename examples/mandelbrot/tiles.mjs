import { tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow';

/**
 * Packs computed rows as an Arrow table, one record per pixel.
 * @param {number[]} rows
 * @param {Uint16Array} counts row after row
 * @param {number} width of the image in pixels
 * @returns {Uint8Array} an Arrow IPC stream
 */
export function encodeRows(rows, counts, width) {
  const pixels = new Uint32Array(counts.length);
  rows.forEach((row, index) => {
    for (let column = 0; column < width; column++) {
      pixels[index * width + column] = row * width + column;
    }
  });
  return tableToIPC(tableFromArrays({ pixel: pixels, count: counts }), 'stream');
}

/**
 * Puts the tables of all ranks together.
 * @param {Uint8Array[]} streams one Arrow IPC stream per rank
 * @param {number} width of the image in pixels
 * @param {number} height of the image in pixels
 * @returns {Uint16Array} iteration counts of the whole image
 */
export function decodeImage(streams, width, height) {
  const image = new Uint16Array(width * height);
  for (const stream of streams) {
    const table = tableFromIPC(stream);
    const pixels = table.getChild('pixel').toArray();
    const counts = table.getChild('count').toArray();
    for (let i = 0; i < pixels.length; i++) image[pixels[i]] = counts[i];
  }
  return image;
}
