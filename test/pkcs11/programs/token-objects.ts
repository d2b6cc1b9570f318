// Looks at the objects of a token, and puts some there: node token-objects.ts ACCESS [LABEL ID(hex) keep|export|gone]
import { randomBytes } from 'node:crypto';
import {
  CKA_EC_PARAMS,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_TOKEN,
  CKK_EC_EDWARDS,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  ED25519_SPELLINGS,
} from '../../../src/pkcs11/eddsa-constants.ts';
import { logIn } from '../../../src/pkcs11/open-token.ts';
import { PinGate } from '../../../src/pkcs11/pin-gate.ts';
import { volatilePinStore } from '../../../src/pkcs11/pin-memory.ts';
import {
  CKA_CLASS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
} from '../../../src/pkcs11/pkcs11-constants.ts';
import type { TokenAccess } from '../../../src/pkcs11/token-messages.ts';
import { WritingSession } from '../../../src/pkcs11/writing-session.ts';

const [access = '', label, id = randomBytes(16).toString('hex'), fate] = process.argv.slice(2);
const nothing = () => Promise.resolve();
const pins = new PinGate(volatilePinStore().judgement(), { begin: nothing, taken: nothing });
const { token } = await logIn(JSON.parse(access) as TokenAccess, pins);
const session = new WritingSession(token);

if (label !== undefined) {
  const names = [
    [CKA_TOKEN, true],
    [CKA_LABEL, Buffer.from(label)],
    [CKA_ID, Buffer.from(id, 'hex')],
  ] as const;
  for (const handle of session.find(names)) session.destroy(handle);
  if (fate !== 'gone')
    session.generateKeyPair(
      { mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN },
      [...names, [CKA_EC_PARAMS, ED25519_SPELLINGS[0] ?? Buffer.alloc(0)]],
      [
        ...names,
        [CKA_KEY_TYPE, CKK_EC_EDWARDS],
        [CKA_SIGN, true],
        [CKA_SENSITIVE, fate !== 'export'],
        [CKA_EXTRACTABLE, fate === 'export'],
      ],
    );
}

const text = (handle: Buffer, type: number, encoding: 'utf8' | 'hex'): string =>
  session.attribute(handle, type)?.toString(encoding) ?? '';
const objects = session.find([]).map(handle => ({
  class: session.attribute(handle, CKA_CLASS)?.readUInt8(0),
  label: text(handle, CKA_LABEL, 'utf8'),
  id: text(handle, CKA_ID, 'hex'),
}));
process.stdout.write(JSON.stringify(objects));
