/** How the program is named on the command line. */
import { testCases } from './compare.ts';

testCases(/^entries/);
