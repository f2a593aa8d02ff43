/** Serves one file on 127.0.0.1: `serve.mjs FILE PORT [SECONDS]`. Says `ready`, then one line a request. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [file, port, seconds = '120'] = process.argv.slice(2);
createServer((request, response) => {
  console.log('asked');
  response.end(readFileSync(file));
}).listen(Number(port), '127.0.0.1', () => console.log('ready'));
// A test that dies is no reason to stay.
setTimeout(() => process.exit(), Number(seconds) * 1000);
