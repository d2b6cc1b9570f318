// npm run tokens: writes docs/tokens.md from docs/probes/*.json, and the schema of those.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { TokenProbeSchema } from '../src/signer/contract/token-probe.ts';
import { renderTokens } from './tokens/page.ts';
import { readProbe } from './tokens/read.ts';

const DOCS = path.join(path.dirname(import.meta.dirname), 'docs');
const folder = path.join(DOCS, 'probes');

const probes = readdirSync(folder)
  .filter(file => file.endsWith('.json'))
  .sort()
  .map(file => ({ file, probe: readProbe(readFileSync(path.join(folder, file), 'utf8')) }));
writeFileSync(path.join(DOCS, 'tokens.md'), renderTokens(probes));
writeFileSync(path.join(DOCS, 'probe.schema.json'), `${JSON.stringify(TokenProbeSchema, undefined, 2)}\n`);
