/** What `fs` answers. */
import { testCases } from './compare.ts';

testCases(/^fs-/);
