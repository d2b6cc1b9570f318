// npm run build: compiles src to dist, whether or not that seems needed.

import { ROOT, alone } from './setup.js';
import { build } from './setup/built.js';
import { runMain } from './setup/report.js';

await runMain(async () => {
  await alone(() => build(ROOT, process.execPath));
  return 0;
});
