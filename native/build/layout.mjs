/** Where things are. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const native = dirname(dirname(fileURLToPath(import.meta.url)));
export const root = dirname(native);
export const cache = join(root, '.cache', 'native');
