/**
 * For `node --import walla/stage` and `node -r walla/stage`: stages the program that starts. It exports nothing.
 * The variables that control it are in docs/environment.md.
 *
 * @module walla/stage
 */
import { preload } from './boot.ts';

preload();
