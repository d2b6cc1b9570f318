import path from 'node:path';
import { expect, test } from 'vitest';
import { readSources } from '../setup/module-graph.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** Readers that no target names, and what reads with them there or why there is nothing to find. */
const NOT_NAMED: Readonly<Record<string, string>> = {
  decodeBase32Into: 'client-auth files and client keys',
  decodeBase64Into: 'client keys and PEM',
  decodeEcPoint: 'an attribute of a token: three lengths, with a test for each maker',
  decodePublicKeyInfo: 'an attribute of a token: one length, with a test for each maker',
  decodeText: 'every text of the library',
  decodeUtf8: 'every text of the library',
  examineInner: 'examineDescriptor',
  parseAdministrators: 'a file of the operator, read as policies are',
  parseApplication: 'a policy and signatures of the operator by the administration socket',
  parseCustodyErrorCode: 'frames of failures: a name of a closed set',
  parseDecimal: 'every text of the library',
  parseDefaults: 'a file of the operator, read as policies are',
  parseInnerHead: 'the inner layer',
  parseKpHsBlindId: 'as parseKpHsId',
  parseKpHsIptSid: 'the inner layer',
  parseKpHssDescEnc: 'the middle layer',
  parseKpHssNtor: 'the inner layer',
  parseKpNtor: 'the inner layer',
  parseNHsCred: 'a length',
  parseNHsSubcred: 'a length',
  parseOrder: 'two words of the operator by the administration socket',
  parseOuterLayer: 'the outer layer',
  parseRelayEd25519Id: 'a length',
  parseRelayFingerprint: 'a length',
  parseRetired: 'a file of the operator, read as policies are',
  parseSharedRandomValue: 'a length',
};

const textsOf = (folder: string): string => [...readSources(ROOT, folder).values()].join('\n');

/** Exported functions that make something of bytes or text, by name. */
const readersIn = (text: string): string[] =>
  [...text.matchAll(/^export (?:async )?function (?:parse|decode|examine)[A-Z]\w*/gmu)].map(
    ([line]) => line.split(' ').at(-1) ?? '',
  );

test('every reader is named by a target, or it is said what reads with it', () => {
  const named = new Set(textsOf('test/fuzz/targets').match(/\w+/gu));
  const readers = [...new Set(readersIn(textsOf('src')))];
  expect(readers.length).toBeGreaterThan(60);
  expect(readers).toEqual(expect.arrayContaining(['parseConsensus', 'examineDescriptor', 'parseBundle']));
  expect(readers.filter(reader => !named.has(reader)).sort()).toEqual(Object.keys(NOT_NAMED).sort());
  expect(readersIn('export function parseNothing(a: string) {}\nfunction parseInside() {}\n')).toEqual([
    'parseNothing',
  ]);
});
