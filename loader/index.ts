/** Entry of `walla/loader`: the hooks alone, for a program that brings its own image. */
export { installLoader, type LoaderOptions } from './install.ts';
export { Lookup } from './lookup.ts';
