import { compile } from 'mathjs';
import sharp from 'sharp';

const CYCLE = 256;

// One colour channel over the cycle, as an expression of the phase t in [0, 1).
const channels = ['0.5 - 0.5 * cos(2 * pi * (t + 0.02))', 't ^ 0.7', '0.5 + 0.5 * sin(2 * pi * t)'];

function palette() {
  const colours = new Uint8Array(CYCLE * channels.length);
  compile(channels).forEach((channel, index) => {
    for (let step = 0; step < CYCLE; step++) {
      colours[step * channels.length + index] = 255 * channel.evaluate({ t: step / CYCLE });
    }
  });
  return colours;
}

/**
 * Turns iteration counts into a PNG; points of the set itself are black.
 * @param {Uint16Array} counts one per pixel
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {Promise<Buffer>}
 */
export function paint(counts, width, height) {
  const colours = palette();
  const pixels = new Uint8Array(counts.length * channels.length);
  counts.forEach((count, pixel) => {
    if (count === 0) return;
    const step = Math.floor(48 * Math.log2(count)) % CYCLE;
    for (let channel = 0; channel < channels.length; channel++) {
      pixels[pixel * channels.length + channel] = colours[step * channels.length + channel];
    }
  });
  return sharp(pixels, { raw: { width, height, channels: channels.length } })
    .png()
    .toBuffer();
}
