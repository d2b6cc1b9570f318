// npm run api: writes docs/api.md from the docstrings and signatures of the descriptor library.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { renderApi } from './api/markdown.ts';
import { readSurface } from './api/surface.ts';

const ROOT = path.dirname(import.meta.dirname);

writeFileSync(
  path.join(ROOT, 'docs', 'api.md'),
  renderApi(readSurface(path.join(ROOT, 'src/descriptor/index.ts'))),
);
