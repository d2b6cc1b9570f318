import { openJournal } from '../../../src/signer/journal/journal.ts';
import { KEY, request, text } from './open-test-journal.ts';

// Reserves and releases until it is killed; with `hold` as last argument it only reserves. Says on its output what it may rely on: `r ID SECOND` after a
// reservation, `d ID` after a release, each only when the journal said so.
const [, , path = '', first = '0', mode = ''] = process.argv;
const journal = openJournal({ path, now: () => Math.floor(Date.now() / 1000) });

async function signOne(second: number): Promise<void> {
  const asked = request({ requestId: `crash-child-${second}`, second });
  const outcome = await journal.reserve(asked);
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
  process.stdout.write(`r ${asked.requestId} ${second}\n`);
  if (mode === 'hold') return;
  await journal.release(outcome.reserved, { answer: asked.requestId, texts: [KEY, text('x')], evidence: [] });
  process.stdout.write(`d ${asked.requestId}\n`);
}

process.stdout.write('open\n');
if (mode === 'hold') {
  await signOne(Number(first));
  // Keeps the process alive with nothing left to do.
  setInterval(() => undefined, 60_000);
} else {
  for (let second = Number(first); ; second += 4) {
    await Promise.all([0, 1, 2, 3].map(i => signOne(second + i)));
  }
}
