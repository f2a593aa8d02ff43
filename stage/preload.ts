/** Entry of `walla/stage`, for `node --import walla/stage` and `node -r walla/stage`. */
import { preload } from './boot.ts';

preload();
