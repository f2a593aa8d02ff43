/** Node.js, its hooks, the native core, and walla's own variables. */
import nodeModule from 'node:module';
import { loadAddon } from '../../native/load-addon.ts';
import { readOptions } from '../options.ts';
import { type Check, stopped, type Subject } from './check.ts';

const OLDEST = [20, 20] as const;

/** @param version for tests */
export function checkNode(version = process.versions.node): Check {
  const name = 'Node.js';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const { registerHooks } = nodeModule as { registerHooks?: unknown };
  const hooks =
    typeof registerHooks === 'function'
      ? 'module hooks on the same thread (registerHooks)'
      : 'module hooks in a thread (register), which takes 20 to 60 ms more at the start';
  const data = {
    version,
    abi: process.versions.modules,
    hooks: typeof registerHooks === 'function' ? 'registerHooks' : 'register',
  };
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    return {
      name,
      status: 'stops',
      found: `v${version} is older than 20.20`,
      hint: 'load or install Node.js 20.20 or later',
      data,
    };
  return { name, status: 'ok', found: `v${version}, ${hooks}`, data };
}

export function checkCore(): Check {
  const name = 'native core';
  const machine = `${process.platform} ${process.arch}`;
  try {
    loadAddon();
    return { name, status: 'ok', found: `loads on ${machine}`, data: { machine } };
  } catch (error) {
    return { ...stopped(name, error), data: { machine } };
  }
}

export function checkVariables({ env }: Subject): Check {
  const name = 'variables';
  const set = Object.keys(env).filter((variable) => variable.startsWith('WALLA'));
  try {
    readOptions(env);
  } catch (error) {
    return {
      ...stopped(name, error),
      hint: 'docs/environment.md has the variables and their values',
    };
  }
  const found =
    set.length === 0
      ? 'none is set'
      : set.map((variable) => `${variable}=${env[variable] ?? ''}`).join(' ');
  return { name, status: 'ok', found: found.replace(/\/\/[^@/\s]*@/g, '//...@'), data: { set } };
}
