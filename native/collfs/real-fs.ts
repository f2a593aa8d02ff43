/** Functions of Node.js as they are before `shadow` replaces them. */

import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';

export const real = {
  accessSync: fs.accessSync,
  closeSync: fs.closeSync,
  existsSync: fs.existsSync,
  fstatSync: fs.fstatSync,
  lstatSync: fs.lstatSync,
  openSync: fs.openSync,
  opendirSync: fs.opendirSync,
  readFileSync: fs.readFileSync,
  readSync: fs.readSync,
  readdirSync: fs.readdirSync,
  readlinkSync: fs.readlinkSync,
  realpathSync: fs.realpathSync,
  realpathNative: fs.realpathSync.native,
  statSync: fs.statSync,
  openHandle: promises.open,
  dlopen: process.dlopen.bind(process),
} as const;
