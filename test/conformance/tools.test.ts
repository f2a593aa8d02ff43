/** Other tools in the same process. */
import { testCases } from './compare.ts';

testCases(/^tools/);
