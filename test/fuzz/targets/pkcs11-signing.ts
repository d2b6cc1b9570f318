// Messages to the process that signs in a token, and its answers.

import * as signing from '../../../src/pkcs11/signing-messages.ts';
import { parseKpHsDescSign } from '../../../src/descriptor/index.ts';
import { ed25519Pair, noise } from '../../descriptor/forge.ts';
import type { Target } from '../target.ts';
import { message } from './pkcs11-messages.ts';

const access = { modulePath: '/usr/lib/softhsm/libsofthsm2.so', uri: 'pkcs11:token=press', pinSource: 'tty' };
const kpHsDescSign = parseKpHsDescSign(ed25519Pair('fuzz descriptor signing').publicKey);
const keyId = noise('key id', 16);
const keyRecord = { id: keyId, kpHsDescSign };

export const PKCS11_SIGNING: readonly Target[] = [
  message('signing/enter', signing.parseEnter, signing.encodeEnter, [
    { access, label: 'ours', known: [keyRecord] },
  ]),
  message('signing/entered', signing.parseEntered, signing.encodeEntered, [
    { tokenLabel: 'press', present: [true, false] },
  ]),
  message('signing/record', signing.parseRecord, signing.encodeRecord, [keyRecord]),
  message('signing/id', signing.parseId, signing.encodeId, [keyId]),
  message('signing/unsigned', signing.parseUnsigned, each => signing.encodeUnsigned(each.id, each.unsigned), [
    { id: keyId, unsigned: noise('unsigned', 90) },
  ]),
  message(
    'signing/point-certs',
    signing.parsePointCerts,
    each => signing.encodePointCerts(each.id, each.certs),
    [
      {
        id: keyId,
        certs: [{ certType: 0x09 as const, expiryHours: 496_900, certifiedKey: noise('certified', 32) }],
      },
    ],
  ),
  message(
    'signing/signatures',
    input => signing.parseSignatures(input, input[0] ?? 0),
    signing.encodeSignatures,
    [[noise('signature', 64), noise('another', 64)]],
  ),
];
