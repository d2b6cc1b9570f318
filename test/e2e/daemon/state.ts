import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { sha256, toHex } from '../../../src/descriptor/index.ts';
import { goodRequest } from './backends.ts';
import type { SignerHome } from './home.ts';

/** Every file below a folder with its mode, and what it holds unless the keyholder may expire keys in it; no sockets. */
function contentsOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .map(path => {
      const content = path.includes('/keyholder/') ? '' : toHex(sha256(readFileSync(path)));
      return `${path} ${statSync(path).mode} ${content}`;
    })
    .sort();
}

/** State that is gone, of another signer or older. `homeOf` gives a running signer, `otherOf` another one. */
export function describeState(homeOf: () => SignerHome, otherOf: () => SignerHome): void {
  let home: SignerHome;
  let other: SignerHome;
  const inState = (of: SignerHome, name: string): string => join(of.state, name);

  beforeAll(async () => {
    [home, other] = [homeOf(), otherOf()];
    expect(await home.stop()).toBe(0);
    expect(await other.stop()).toBe(0);
    // The list as it was before the last policy, the journal as it was before the last answer.
    cpSync(inState(home, 'keyholder.list'), join(home.folder, 'older.list'));
    await home.configure({ deadline: '9s' });
    await home.succeed('policy', 'apply', '--yes');
    cpSync(inState(home, 'journal.sqlite'), join(home.folder, 'older.sqlite'));
    await home.start();
    await home.sign(goodRequest(home).request);
  });

  test('is used by one daemon: a second one refuses, and the first goes on', async () => {
    expect(await home.startRefused()).toEqual({
      exit: 2,
      said: expect.stringMatching(/^JOURNAL_LOCKED: /u) as string,
    });
    expect((await home.sign(goodRequest(home).request)).id).toHaveLength(24);
    expect(await home.stop()).toBe(0);
  });

  const damages: [string, string, readonly string[], (name: string) => void][] = [
    ['without its journal', 'JOURNAL_MISSING', ['journal.sqlite'], () => undefined],
    ['without the state of its keyholder', 'STATE_MISSING', ['keyholder'], () => undefined],
    ['without its host key', 'HOST_KEY', ['host.key'], () => undefined],
    ['without its list', 'LIST_MISSING', ['keyholder.list'], () => undefined],
    ['with the journal of another signer', 'JOURNAL_FOREIGN', ['journal.sqlite'], takeFromOther],
    ['with the keyholder state of another signer', 'STATE_SEALED', ['keyholder'], takeFromOther],
    [
      'with the whole keyholder of another signer',
      'JOURNAL_FOREIGN',
      ['keyholder', 'host.key', 'keyholder.list'],
      takeFromOther,
    ],
    [
      'with an older list',
      'LIST_SERIAL',
      ['keyholder.list'],
      () => cpSync(join(home.folder, 'older.list'), inState(home, 'keyholder.list')),
    ],
    [
      'with an older journal',
      'CHECKPOINT_FORK',
      ['journal.sqlite'],
      () => cpSync(join(home.folder, 'older.sqlite'), inState(home, 'journal.sqlite')),
    ],
    [
      'with a file that is no journal',
      'JOURNAL_FOREIGN',
      ['journal.sqlite'],
      () => cpSync(join(home.folder, 'signer.yaml'), inState(home, 'journal.sqlite')),
    ],
  ];

  function takeFromOther(name: string): void {
    execFileSync('cp', ['-a', inState(other, name), inState(home, name)]);
  }

  test.each(damages)(
    'is never made up: a signer %s refuses with %s and creates nothing',
    async (_, code, names, damage) => {
      for (const name of names) {
        renameSync(inState(home, name), join(home.folder, `kept-${name}`));
        damage(name);
      }
      try {
        const before = contentsOf(home.folder);
        const { exit, said } = await home.startRefused();
        expect([exit, said]).toEqual([2, expect.stringMatching(new RegExp(`^${code}: `, 'mu'))]);
        expect(contentsOf(home.folder)).toEqual(before);
      } finally {
        for (const name of names) {
          rmSync(inState(home, name), { recursive: true, force: true });
          renameSync(join(home.folder, `kept-${name}`), inState(home, name));
        }
      }
    },
  );

  test('serves again when everything is back in its place', async () => {
    await home.start();
    expect((await home.sign(goodRequest(home).request)).descriptors.length).toBeGreaterThanOrEqual(2);
    expect(await home.stop()).toBe(0);
  });
}
