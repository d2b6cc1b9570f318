// Writes test/corpus anew: `npm run corpus`.

import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeCorpus } from './corpus.ts';

const FOLDER = path.join(path.dirname(import.meta.dirname), 'corpus');

const { files, faults } = makeCorpus();
if (faults.length > 0) {
  process.stderr.write(
    `${faults.join('\n')}\nNothing was written: these files are not judged as their cases say.\n`,
  );
  process.exitCode = 1;
} else {
  for (const name of readdirSync(FOLDER)) {
    if (name !== 'README.md') rmSync(path.join(FOLDER, name));
  }
  for (const [name, bytes] of files) writeFileSync(path.join(FOLDER, name), bytes);
  process.stdout.write(`${files.size} files\n`);
}
