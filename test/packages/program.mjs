/**
 * Loads popular packages by `import` and by `require` and prints all that can be seen of each: where
 * it resolves to, the keys and the kinds of what it exports, or the error.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** One line for each way of loading; the names are literals, for the packer finds no others. */
async function show(name, viaImport, viaRequire) {
  console.log(
    name,
    'resolve',
    attempt(() => import.meta.resolve(name)),
    attempt(() => require.resolve(name)),
  );
  try {
    const namespace = await viaImport();
    console.log(name, 'import', kinds(namespace), kinds(namespace.default));
  } catch (error) {
    console.log(name, 'import', failure(error));
  }
  console.log(
    name,
    'require',
    attempt(() => kinds(viaRequire())),
  );
}

/** Every own key with the kind of its value, which getters give. */
function kinds(value) {
  if (value === null || !['object', 'function'].includes(typeof value)) return typeof value;
  const keys = Reflect.ownKeys(value).filter((key) => !['arguments', 'caller'].includes(key));
  return [
    typeof value,
    ...keys.map((key) => `${String(key)}:${attempt(() => typeof value[key])}`),
  ].join(' ');
}

function attempt(ask) {
  try {
    return ask();
  } catch (error) {
    return failure(error);
  }
}

function failure(error) {
  return [error?.name, error?.code, error?.message ?? error].join(' ');
}

await show(
  '@aws-sdk/client-dynamodb',
  () => import('@aws-sdk/client-dynamodb'),
  () => require('@aws-sdk/client-dynamodb'),
);
await show(
  '@babel/core',
  () => import('@babel/core'),
  () => require('@babel/core'),
);
await show(
  '@grpc/grpc-js',
  () => import('@grpc/grpc-js'),
  () => require('@grpc/grpc-js'),
);
await show(
  '@hapi/hapi',
  () => import('@hapi/hapi'),
  () => require('@hapi/hapi'),
);
await show(
  '@napi-rs/canvas',
  () => import('@napi-rs/canvas'),
  () => require('@napi-rs/canvas'),
);
await show(
  '@parcel/watcher',
  () => import('@parcel/watcher'),
  () => require('@parcel/watcher'),
);
await show(
  '@swc/core',
  () => import('@swc/core'),
  () => require('@swc/core'),
);
await show(
  'acorn',
  () => import('acorn'),
  () => require('acorn'),
);
await show(
  'acorn/package.json',
  () => import('acorn/package.json'),
  () => require('acorn/package.json'),
);
await show(
  'ajv',
  () => import('ajv'),
  () => require('ajv'),
);
await show(
  'ajv/dist/2020.js',
  () => import('ajv/dist/2020.js'),
  () => require('ajv/dist/2020.js'),
);
await show(
  'async',
  () => import('async'),
  () => require('async'),
);
await show(
  'axios',
  () => import('axios'),
  () => require('axios'),
);
await show(
  'bcrypt',
  () => import('bcrypt'),
  () => require('bcrypt'),
);
await show(
  'bluebird',
  () => import('bluebird'),
  () => require('bluebird'),
);
await show(
  'bufferutil',
  () => import('bufferutil'),
  () => require('bufferutil'),
);
await show(
  'chalk',
  () => import('chalk'),
  () => require('chalk'),
);
await show(
  'cheerio',
  () => import('cheerio'),
  () => require('cheerio'),
);
await show(
  'chokidar',
  () => import('chokidar'),
  () => require('chokidar'),
);
await show(
  'classic-level',
  () => import('classic-level'),
  () => require('classic-level'),
);
await show(
  'commander',
  () => import('commander'),
  () => require('commander'),
);
await show(
  'csv-parse',
  () => import('csv-parse'),
  () => require('csv-parse'),
);
await show(
  'csv-parse/sync',
  () => import('csv-parse/sync'),
  () => require('csv-parse/sync'),
);
await show(
  'd3',
  () => import('d3'),
  () => require('d3'),
);
await show(
  'dayjs',
  () => import('dayjs'),
  () => require('dayjs'),
);
await show(
  'dayjs/plugin/utc.js',
  () => import('dayjs/plugin/utc.js'),
  () => require('dayjs/plugin/utc.js'),
);
await show(
  'debug',
  () => import('debug'),
  () => require('debug'),
);
await show(
  'debug/package.json',
  () => import('debug/package.json'),
  () => require('debug/package.json'),
);
await show(
  'dotenv',
  () => import('dotenv'),
  () => require('dotenv'),
);
await show(
  'ejs',
  () => import('ejs'),
  () => require('ejs'),
);
await show(
  'esbuild',
  () => import('esbuild'),
  () => require('esbuild'),
);
await show(
  'eslint',
  () => import('eslint'),
  () => require('eslint'),
);
await show(
  'execa',
  () => import('execa'),
  () => require('execa'),
);
await show(
  'express',
  () => import('express'),
  () => require('express'),
);
await show(
  'fast-xml-parser',
  () => import('fast-xml-parser'),
  () => require('fast-xml-parser'),
);
await show(
  'fastify',
  () => import('fastify'),
  () => require('fastify'),
);
await show(
  'fs-extra',
  () => import('fs-extra'),
  () => require('fs-extra'),
);
await show(
  'glob',
  () => import('glob'),
  () => require('glob'),
);
await show(
  'got',
  () => import('got'),
  () => require('got'),
);
await show(
  'graceful-fs',
  () => import('graceful-fs'),
  () => require('graceful-fs'),
);
await show(
  'graphql',
  () => import('graphql'),
  () => require('graphql'),
);
await show(
  'handlebars',
  () => import('handlebars'),
  () => require('handlebars'),
);
await show(
  'hono',
  () => import('hono'),
  () => require('hono'),
);
await show(
  'hono/cors',
  () => import('hono/cors'),
  () => require('hono/cors'),
);
await show(
  'iconv-lite',
  () => import('iconv-lite'),
  () => require('iconv-lite'),
);
await show(
  'immer',
  () => import('immer'),
  () => require('immer'),
);
await show(
  'immutable',
  () => import('immutable'),
  () => require('immutable'),
);
await show(
  'inquirer',
  () => import('inquirer'),
  () => require('inquirer'),
);
await show(
  'ioredis',
  () => import('ioredis'),
  () => require('ioredis'),
);
await show(
  'joi',
  () => import('joi'),
  () => require('joi'),
);
await show(
  'js-yaml',
  () => import('js-yaml'),
  () => require('js-yaml'),
);
await show(
  'jsdom',
  () => import('jsdom'),
  () => require('jsdom'),
);
await show(
  'jsonwebtoken',
  () => import('jsonwebtoken'),
  () => require('jsonwebtoken'),
);
await show(
  'knex',
  () => import('knex'),
  () => require('knex'),
);
await show(
  'koa',
  () => import('koa'),
  () => require('koa'),
);
await show(
  'lightningcss',
  () => import('lightningcss'),
  () => require('lightningcss'),
);
await show(
  'lodash',
  () => import('lodash'),
  () => require('lodash'),
);
await show(
  'lodash/fp',
  () => import('lodash/fp'),
  () => require('lodash/fp'),
);
await show(
  'lodash/debounce.js',
  () => import('lodash/debounce.js'),
  () => require('lodash/debounce.js'),
);
await show(
  'lodash-es',
  () => import('lodash-es'),
  () => require('lodash-es'),
);
await show(
  'luxon',
  () => import('luxon'),
  () => require('luxon'),
);
await show(
  'marked',
  () => import('marked'),
  () => require('marked'),
);
await show(
  'minimatch',
  () => import('minimatch'),
  () => require('minimatch'),
);
await show(
  'mkdirp',
  () => import('mkdirp'),
  () => require('mkdirp'),
);
await show(
  'moment',
  () => import('moment'),
  () => require('moment'),
);
await show(
  'moment/locale/de',
  () => import('moment/locale/de'),
  () => require('moment/locale/de'),
);
await show(
  'mongodb',
  () => import('mongodb'),
  () => require('mongodb'),
);
await show(
  'msgpackr',
  () => import('msgpackr'),
  () => require('msgpackr'),
);
await show(
  'mysql2',
  () => import('mysql2'),
  () => require('mysql2'),
);
await show(
  'nanoid',
  () => import('nanoid'),
  () => require('nanoid'),
);
await show(
  'node-fetch',
  () => import('node-fetch'),
  () => require('node-fetch'),
);
await show(
  'ora',
  () => import('ora'),
  () => require('ora'),
);
await show(
  'pg',
  () => import('pg'),
  () => require('pg'),
);
await show(
  'pino',
  () => import('pino'),
  () => require('pino'),
);
await show(
  'postcss',
  () => import('postcss'),
  () => require('postcss'),
);
await show(
  'postcss/lib/parser',
  () => import('postcss/lib/parser'),
  () => require('postcss/lib/parser'),
);
await show(
  'prettier',
  () => import('prettier'),
  () => require('prettier'),
);
await show(
  'protobufjs',
  () => import('protobufjs'),
  () => require('protobufjs'),
);
await show(
  'pug',
  () => import('pug'),
  () => require('pug'),
);
await show(
  'qs',
  () => import('qs'),
  () => require('qs'),
);
await show(
  'ramda',
  () => import('ramda'),
  () => require('ramda'),
);
await show(
  'react',
  () => import('react'),
  () => require('react'),
);
await show(
  'react/jsx-runtime',
  () => import('react/jsx-runtime'),
  () => require('react/jsx-runtime'),
);
await show(
  'react-dom',
  () => import('react-dom'),
  () => require('react-dom'),
);
await show(
  'react-dom/server',
  () => import('react-dom/server'),
  () => require('react-dom/server'),
);
await show(
  'react-dom/client',
  () => import('react-dom/client'),
  () => require('react-dom/client'),
);
await show(
  'rimraf',
  () => import('rimraf'),
  () => require('rimraf'),
);
await show(
  'rollup',
  () => import('rollup'),
  () => require('rollup'),
);
await show(
  'rollup/parseAst',
  () => import('rollup/parseAst'),
  () => require('rollup/parseAst'),
);
await show(
  'rxjs',
  () => import('rxjs'),
  () => require('rxjs'),
);
await show(
  'rxjs/operators',
  () => import('rxjs/operators'),
  () => require('rxjs/operators'),
);
await show(
  'rxjs/ajax',
  () => import('rxjs/ajax'),
  () => require('rxjs/ajax'),
);
await show(
  'semver',
  () => import('semver'),
  () => require('semver'),
);
await show(
  'sharp',
  () => import('sharp'),
  () => require('sharp'),
);
await show(
  'socket.io',
  () => import('socket.io'),
  () => require('socket.io'),
);
await show(
  'socket.io-client',
  () => import('socket.io-client'),
  () => require('socket.io-client'),
);
await show(
  'source-map',
  () => import('source-map'),
  () => require('source-map'),
);
await show(
  'svelte',
  () => import('svelte'),
  () => require('svelte'),
);
await show(
  'svelte/compiler',
  () => import('svelte/compiler'),
  () => require('svelte/compiler'),
);
await show(
  'svelte/store',
  () => import('svelte/store'),
  () => require('svelte/store'),
);
await show(
  'terser',
  () => import('terser'),
  () => require('terser'),
);
await show(
  'tslib',
  () => import('tslib'),
  () => require('tslib'),
);
await show(
  'typescript',
  () => import('typescript'),
  () => require('typescript'),
);
await show(
  'underscore',
  () => import('underscore'),
  () => require('underscore'),
);
await show(
  'undici',
  () => import('undici'),
  () => require('undici'),
);
await show(
  'uuid',
  () => import('uuid'),
  () => require('uuid'),
);
await show(
  'vue',
  () => import('vue'),
  () => require('vue'),
);
await show(
  'vue/server-renderer',
  () => import('vue/server-renderer'),
  () => require('vue/server-renderer'),
);
await show(
  'webpack',
  () => import('webpack'),
  () => require('webpack'),
);
await show(
  'winston',
  () => import('winston'),
  () => require('winston'),
);
await show(
  'ws',
  () => import('ws'),
  () => require('ws'),
);
await show(
  'xml2js',
  () => import('xml2js'),
  () => require('xml2js'),
);
await show(
  'yaml',
  () => import('yaml'),
  () => require('yaml'),
);
await show(
  'yargs',
  () => import('yargs'),
  () => require('yargs'),
);
await show(
  'yargs/helpers',
  () => import('yargs/helpers'),
  () => require('yargs/helpers'),
);
await show(
  'zod',
  () => import('zod'),
  () => require('zod'),
);
await show(
  'zod/v4/core',
  () => import('zod/v4/core'),
  () => require('zod/v4/core'),
);
await show(
  'zod/mini',
  () => import('zod/mini'),
  () => require('zod/mini'),
);

console.log('cache', Object.keys(require.cache).sort().join('\n'));
