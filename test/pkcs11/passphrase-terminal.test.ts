import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('./programs/ask-passphrase.ts', import.meta.url));
const FIRST = 'Passphrase of the copy: ';
const SECOND = 'The same once more: ';
const WORDS = 'correct horse battery';

/** Runs the program on a terminal of its own, answers each question, and gives all that the terminal showed. */
async function answer(kind: 'new' | 'known', first: string, second = ''): Promise<string> {
  const command = `'${process.execPath}' --no-warnings '${program}' ${kind}`;
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting: [string, string][] = [
    [FIRST, first],
    [SECOND, second],
  ];
  let shown = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    shown += chunk.toString();
    const [next] = waiting;
    if (next !== undefined && shown.includes(next[0])) {
      waiting.shift();
      child.stdin.write(`${next[1]}\r`);
    }
    if (/LENGTH|CODE/u.test(shown)) child.stdin.end();
  }
  return shown;
}

test('a new passphrase is asked for twice and not echoed', async () => {
  const shown = await answer('new', WORDS, WORDS);
  expect(shown).toContain(SECOND);
  expect(shown).toContain(`LENGTH ${WORDS.length}`);
  expect(shown).not.toContain('horse');
});

test('a new passphrase that was typed in two ways, or is short, is refused', async () => {
  expect(await answer('new', WORDS, `${WORDS}.`)).toContain('CODE PASSPHRASE');
  expect(await answer('new', 'short', 'short')).toContain('CODE PASSPHRASE');
});

test('a known passphrase is asked for once', async () => {
  const shown = await answer('known', 'short');
  expect(shown).toContain('LENGTH 5');
  expect(shown).not.toContain(SECOND);
});
