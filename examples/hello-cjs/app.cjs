'use strict';

const path = require('node:path');
const { greet } = require('./greeting.cjs');

console.log(greet('CommonJS'));
console.log(`entry: ${require.main === module}, ${path.relative(__dirname, __filename)}`);

try {
  require('an-optional-package');
} catch (error) {
  console.log(`an-optional-package: ${error.code}`);
}
