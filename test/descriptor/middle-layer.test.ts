import { describe, expect, test } from 'vitest';
import { decodeUtf8 } from '../../src/descriptor/bytes.ts';
import type { DescriptorErrorCode } from '../../src/descriptor/error.ts';
import { encodeMiddleLayer, parseMiddleLayer } from '../../src/descriptor/middle-layer.ts';
import { expectRefusal } from './expect-refusal.ts';
import { forge } from './forge.ts';

type Case = [string, (text: string) => string, DescriptorErrorCode];

const { parts } = forge({ points: 2 });

describe('the middle layer', () => {
  const layer = { ...parts.middle, caaCritical: true, encrypted: new Uint8Array(49) };
  const middle = decodeUtf8(encodeMiddleLayer(layer));
  const read = (changed: string) => parseMiddleLayer(Buffer.from(changed));
  const line = /^auth-client.*\n/m;

  test('is written as by tor: unpadded client lines, no LF at the end; and read back', () => {
    expect(middle).toMatch(
      /^desc-auth-type x25519\ndesc-auth-ephemeral-key [^ ]{43}=\n(auth-client [^ =]{11} [^ =]{22} [^ =]{22}\n){16}caa-critical\nencrypted\n/,
    );
    expect(middle.endsWith('-----END MESSAGE-----')).toBe(true);
    expect(read(middle)).toMatchObject(layer);
    expect(read(`${middle}\n`)).toEqual(read(middle));
  });

  test('one line of a client, padded fields and unknown lines are read, as from Arti', () => {
    const [first] = layer.authClients;
    const padded = [first!.clientId, first!.iv, first!.encryptedCookie].map(f =>
      Buffer.from(f).toString('base64'),
    );
    const lines = new RegExp(`(${line.source})+`, 'm');
    const opened = read(middle.replace(lines, `auth-client ${padded.join(' ')}\nnew\n`));
    expect(opened.authClients).toEqual([first]);
    expect(opened.unknown).toHaveLength(1);
  });

  test.each([0, 1, 15, 17])('%i client lines are never written', count => {
    const authClients = Array.from({ length: count }, () => layer.authClients[0]!);
    expectRefusal('BAD_LAYER', () => encodeMiddleLayer({ ...layer, authClients }));
  });

  test('32 client lines are', () => {
    const authClients = [...layer.authClients, ...layer.authClients];
    expect(parseMiddleLayer(encodeMiddleLayer({ ...layer, authClients })).authClients).toHaveLength(32);
  });

  test.each<Case>([
    ['another type of authorization', t => t.replace('x25519', 'x448'), 'BAD_LAYER'],
    ['desc-auth-type second', t => t.replace(/^(.*\n)(.*\n)/, '$2$1'), 'BAD_SYNTAX'],
    ['no ephemeral key', t => t.replace(/^desc-auth-ephemeral.*\n/m, ''), 'MISSING_ITEM'],
    ['two ephemeral keys', t => t.replace(/^(desc-auth-ephemeral.*\n)/m, '$1$1'), 'DUPLICATE_ITEM'],
    [
      'an ephemeral key of low order',
      t => t.replace(/(?<=ephemeral-key ).*/, `${'A'.repeat(43)}=`),
      'BAD_KEY',
    ],
    ['no client line', t => t.replaceAll(new RegExp(line, 'gm'), ''), 'MISSING_ITEM'],
    ['a client line of two fields', t => t.replace(line, 'auth-client AAAAAAAAAAA AAAA\n'), 'BAD_SYNTAX'],
    [
      'a client id of another length',
      t => t.replace(/^auth-client [^ ]+/m, 'auth-client AAAA'),
      'BAD_LENGTH',
    ],
    [
      'a client id that is not canonical',
      t => t.replace(/^auth-client [^ ]+/m, 'auth-client AAAAAAAAAAB'),
      'BAD_BASE64',
    ],
    [
      'caa-critical twice',
      t => t.replace('caa-critical\n', 'caa-critical\ncaa-critical\n'),
      'DUPLICATE_ITEM',
    ],
    ['no encrypted layer', t => t.slice(0, t.indexOf('encrypted')), 'MISSING_ITEM'],
    ['two encrypted layers', t => `${t}\n${t.slice(t.indexOf('encrypted'))}`, 'DUPLICATE_ITEM'],
    ['a NUL', t => t.replace('caa-critical', 'caa-critical\0'), 'BAD_SYNTAX'],
  ])('%s is refused', (_, change, code) => {
    expect(change(middle)).not.toBe(middle);
    expectRefusal(code, () => read(change(middle)));
  });
});
