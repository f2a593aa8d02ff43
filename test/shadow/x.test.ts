import { testCases } from '../conformance/compare.ts';
testCases(new RegExp(process.env['CASES'] ?? '.'));
