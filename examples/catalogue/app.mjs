import * as mathjs from 'mathjs';
import * as lodash from 'lodash-es';
import * as dateFns from 'date-fns';
import * as rxjs from 'rxjs';
import * as arrow from 'apache-arrow';
import * as s3 from '@aws-sdk/client-s3';
import * as sharp from 'sharp';
import * as three from 'three';
import * as zod from 'zod';
import * as fastify from 'fastify';
import * as canvas from '@napi-rs/canvas';

const packages = {
  mathjs,
  'lodash-es': lodash,
  'date-fns': dateFns,
  rxjs,
  'apache-arrow': arrow,
  '@aws-sdk/client-s3': s3,
  sharp,
  three,
  zod,
  fastify,
  '@napi-rs/canvas': canvas,
};

for (const [name, exports] of Object.entries(packages)) {
  console.log(`${name}: ${Object.keys(exports).length} exports`);
}
