import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fromHex, parseKpHsId } from '../../../src/descriptor/index.ts';
import { publicKeyOfPayload, sealEnvelope } from '../../../src/pkcs11/envelope.ts';
import {
  fileDigest,
  noteVerified,
  readBackups,
  readRecord,
} from '../../../src/signer/commands/backup-record.ts';
import { recipientState, verifiedText } from '../../../src/signer/commands/backup-text.ts';
import { formatStatus } from '../../../src/signer/commands/look.ts';
import { parseConfig } from '../../../src/signer/config.ts';
import type { StatusAnswer } from '../../../src/signer/contract/requests.ts';
import chain from '../../vectors/own-chain.json' with { type: 'json' };

const folder = mkdtempSync(join(tmpdir(), 'backup-record-'));
afterAll(() => rmSync(folder, { recursive: true }));
const yaml = `tokens: ["pkcs11:token=a"]\npin: tty\npublishers: { vps1: unix }\nstate: ${folder}\n`;
const config = parseConfig(yaml, join(folder, 'signer.yaml'));
mkdirSync(config.envelopes);

const PAPER = 'age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj';
const keyFile = Buffer.from('== ed25519v1-secret: type0 ==\0\0\0', 'latin1');
const payload = Buffer.concat([keyFile, fromHex(chain.expandedSecret), Buffer.alloc(32)]);
const token = {
  kind: 'rsa-oaep',
  hash: 'sha1',
  modulus: Buffer.alloc(256, 0xc3),
  publicExponent: Uint8Array.of(3),
  uri: 'pkcs11:token=a',
} as const;
const envelope = sealEnvelope({
  payload,
  kpHsId: parseKpHsId(publicKeyOfPayload(payload)),
  origin: 'born',
  tokens: [token],
  ageRecipients: [PAPER],
});
const record = join(config.envelopes, 'frontpage.verified.json');

describe('what is known of backups', () => {
  test('is nothing at first, is kept by name, and later news do not take others away', () => {
    expect(readRecord(config, 'frontpage').size).toBe(0);
    noteVerified(config, 'frontpage', [{ name: PAPER, bytes: envelope }]);
    noteVerified(config, 'frontpage', [{ name: 'copy:/x', bytes: Buffer.from('x') }]);
    const known = readRecord(config, 'frontpage');
    expect([...known.keys()]).toEqual([PAPER, 'copy:/x']);
    expect(known.get(PAPER)?.file).toBe(fileDigest(envelope));
    expect(Math.abs((known.get(PAPER)?.at ?? 0) - Date.now() / 1000)).toBeLessThan(3600);
    expect(statSync(record).mode & 0o777).toBe(0o600);
  });

  test.each(['', 'null', '7', '[]', '{"a":7}', '{"a":{"at":"x","file":"y"}}', '{"a":{"at":1}}'])(
    'in a record that says %s is nothing',
    text => {
      writeFileSync(join(config.envelopes, 'odd.verified.json'), text);
      expect(readRecord(config, 'odd').size).toBe(0);
    },
  );

  test('is said with the time, and whether the file has changed since', () => {
    const verified = { at: 1_796_000_000, file: 'a' };
    expect(verifiedText(undefined)).toBe('never opened yet');
    expect(verifiedText(verified, 'a')).toBe('opened 2026-11-30 00:53 UTC');
    expect(verifiedText(verified, 'b')).toBe('opened 2026-11-30 00:53 UTC, in an earlier file');
    expect(recipientState({ name: PAPER, verified })).toBe('age1zvkyg2lq… opened 2026-11-30 00:53 UTC');
    expect(recipientState({ name: '' })).toBe('a recipient without a name never opened yet');
  });

  test('stands in status, for each recipient and copy; a service without an envelope here has no line', () => {
    expect(readBackups(config, ['frontpage']).size).toBe(0);
    writeFileSync(join(config.envelopes, 'frontpage.age'), envelope);
    const backups = readBackups(config, ['frontpage', 'other']);
    expect(
      backups.get('frontpage')?.map(({ name, verified }) => [name === PAPER, verified !== undefined]),
    ).toEqual([
      [false, false],
      [true, true],
      [false, true],
    ]);
    const text = formatStatus(status('frontpage', 'other'), backups);
    expect(
      text.match(/^ {2}backup {4}\S{16} never opened yet · age1\S+ opened .* UTC · copy:\/x opened/gmu),
    ).toHaveLength(1);
    expect(formatStatus(status('frontpage'))).not.toContain('backup');
  });
});

function status(...services: string[]): StatusAnswer {
  return {
    ready: true,
    startedAt: 1,
    now: 2,
    isolation: 'same user',
    policySerial: 1,
    runwaySeconds: 21_600,
    aheadSeconds: 259_200,
    checkpointKey: '',
    services: services.map(service => ({ service, state: 'ready', custody: 'sealed', origin: 'born here' })),
  };
}
