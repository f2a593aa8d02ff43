import { complex, evaluate, subtract } from 'mathjs';

const ITERATIONS = 2500;

// The view is set up with mathjs; the inner loop below is plain numbers.
const lowerLeft = complex('-2.2 - 1.2i');
const upperRight = complex('1.4 + 1.2i');
const extent = subtract(upperRight, lowerLeft);
const escapeRadiusSquared = evaluate('abs(2 + 0i) ^ 2');

/**
 * Iterations until each pixel of the given rows escapes, 0 where it never does.
 * @param {number[]} rows
 * @param {number} width of the image in pixels
 * @param {number} height of the image in pixels
 * @returns {Uint16Array} row after row
 */
export function computeRows(rows, width, height) {
  const counts = new Uint16Array(rows.length * width);
  let next = 0;
  for (const row of rows) {
    const ci = lowerLeft.im + (extent.im * (row + 0.5)) / height;
    for (let column = 0; column < width; column++) {
      const cr = lowerLeft.re + (extent.re * (column + 0.5)) / width;
      counts[next++] = escapeCount(cr, ci);
    }
  }
  return counts;
}

function escapeCount(cr, ci) {
  let zr = 0;
  let zi = 0;
  for (let count = 1; count <= ITERATIONS; count++) {
    const rr = zr * zr;
    const ii = zi * zi;
    if (rr + ii > escapeRadiusSquared) return count;
    zi = 2 * zr * zi + ci;
    zr = rr - ii + cr;
  }
  return 0;
}
