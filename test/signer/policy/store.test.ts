import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openPolicyStore } from '../../../src/signer/commands/policy-store.ts';
import { journalPath, parseConfig, type SignerConfig } from '../../../src/signer/config.ts';
import { createJournal, openJournal } from '../../../src/signer/journal/journal.ts';
import { EMPTY_POLICY, encodePolicy } from '../../../src/signer/policy/types.ts';
import { rejection } from '../failure.ts';

let folder: string;
let config: SignerConfig;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
  const lines = [
    'tokens: [ "pkcs11:token=a?module-name=softhsm2" ]',
    'pin: tty',
    'publishers: { vps1: unix }',
  ];
  const paths = [`state: ${folder}`, `run: ${folder}`, ''];
  config = parseConfig([...lines, ...paths].join('\n'), join(folder, 'signer.yaml'));
  createJournal(journalPath(config), { origin: 'signer.example/test', now: 1 });
});
afterEach(() => rmSync(folder, { recursive: true }));

async function inForce(text: Uint8Array): Promise<void> {
  const journal = openJournal({ path: journalPath(config), now: () => 1 });
  await journal.policies.apply(1, text);
  journal.close();
}

it('refuses to follow a policy of another version, whose administrators it cannot know', async () => {
  const text = Buffer.from(encodePolicy(EMPTY_POLICY)).toString();
  await inForce(Buffer.from(text.replace('"version":4', '"version":3')));
  const error = await rejection(openPolicyStore(config));
  expect([error.code, error.message]).toEqual([
    'POLICY_SNAPSHOT',
    expect.stringContaining('use the version of onion-signer that applied this policy'),
  ]);
  // The journal was let go.
  openJournal({ path: journalPath(config), now: () => 1 }).close();
});

it('follows one of its own version', async () => {
  await inForce(encodePolicy(EMPTY_POLICY));
  const store = await openPolicyStore(config);
  expect([store.serial, store.policy, store.signer.network]).toEqual([1, EMPTY_POLICY, 'tor']);
  store.close();
});
