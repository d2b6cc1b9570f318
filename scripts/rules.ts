// npm run rules: writes docs/rules.md from the table of rules.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { RULE_REFERENCE } from '../src/signer/policy/reference/index.ts';
import { renderRules } from './rules-page.ts';

const ROOT = path.dirname(import.meta.dirname);

writeFileSync(path.join(ROOT, 'docs', 'rules.md'), renderRules(RULE_REFERENCE));
