/**
 * The hooks alone, for a program that brings its own image.
 *
 * @module walla/loader
 */
export { installLoader, type LoaderOptions } from './install.ts';
export { Lookup } from './lookup.ts';
