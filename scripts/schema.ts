// npm run schema: writes policies/schema/*.json, for editors, from the keys and bounds of the readers.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { renderSchema, SCHEMAS } from './schema/index.ts';

const FOLDER = path.join(path.dirname(import.meta.dirname), 'policies', 'schema');

mkdirSync(FOLDER, { recursive: true });
for (const [name, schema] of Object.entries(SCHEMAS))
  writeFileSync(path.join(FOLDER, name), renderSchema(schema));
