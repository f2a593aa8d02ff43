import { readFileSync } from 'node:fs';
import { greet } from './greeting.mjs';

// Where the bytes come from changes under walla; where the program believes it lives does not.
const names = readFileSync(new URL('./names.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');
for (const name of names) console.log(greet(name));
console.log(`greeting.mjs is ${import.meta.resolve('./greeting.mjs')}`);
