/** Modules: what programs see of them. */
import { testCases } from './compare.ts';

testCases(/^modules-/);
