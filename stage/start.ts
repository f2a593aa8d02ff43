/**
 * What Node.js loads for walla/stage: carries the preload (preload.ts) as text. Most of the time that walla's hooks take to be
 * ready V8 would spend on compiling it, which a node does once.
 */
import { Script } from 'node:vm';
import { keptCode } from './kept-code.ts';

// Set when this file is built: the text of a function, where in this file it begins, and its name by content.
declare const PRELOAD_TEXT: string;
declare const PRELOAD_LINE: number;
declare const PRELOAD_NAME: string;

const script = new Script(PRELOAD_TEXT, {
  filename: __filename,
  lineOffset: PRELOAD_LINE,
  cachedData: keptCode(PRELOAD_NAME),
});
const preload = script.runInThisContext() as (...words: unknown[]) => void;
preload(exports, require, module, __filename, __dirname);
