/** Worker threads and child processes. */
import { testCases } from './compare.ts';

testCases(/^processes/);
