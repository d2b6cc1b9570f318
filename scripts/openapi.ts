// npm run openapi: writes docs/openapi.json from the schemas that validate.

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { openApiDocument } from '../src/signer/contract/openapi.ts';

const ROOT = path.dirname(import.meta.dirname);
const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };

writeFileSync(
  path.join(ROOT, 'docs', 'openapi.json'),
  `${JSON.stringify(openApiDocument(version), undefined, 2)}\n`,
);
