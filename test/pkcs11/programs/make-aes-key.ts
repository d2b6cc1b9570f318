// Makes an AES key on a token. Arguments: module, label of the token, file of the PIN, label of the key, `extractable` or `kept`.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pkcs11 from 'pkcs11js';

const [modulePath = '', tokenLabel, pinFile = '', label = '', kind] = process.argv.slice(2);
const module = new pkcs11.PKCS11();
module.load(modulePath);
module.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK });
const slot = module.C_GetSlotList(true).find(each => module.C_GetTokenInfo(each).label.trim() === tokenLabel);
if (slot === undefined) throw new Error('no such token');
const session = module.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION);
module.C_Login(session, pkcs11.CKU_USER, readFileSync(pinFile, 'latin1').trim());
module.C_GenerateKey(session, { mechanism: pkcs11.CKM_AES_KEY_GEN }, [
  { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_SECRET_KEY },
  { type: pkcs11.CKA_KEY_TYPE, value: pkcs11.CKK_AES },
  { type: pkcs11.CKA_VALUE_LEN, value: 32 },
  { type: pkcs11.CKA_TOKEN, value: true },
  { type: pkcs11.CKA_PRIVATE, value: true },
  { type: pkcs11.CKA_SENSITIVE, value: kind !== 'extractable' },
  { type: pkcs11.CKA_EXTRACTABLE, value: kind === 'extractable' },
  { type: pkcs11.CKA_ENCRYPT, value: true },
  { type: pkcs11.CKA_DECRYPT, value: true },
  { type: pkcs11.CKA_LABEL, value: label },
  { type: pkcs11.CKA_ID, value: randomBytes(16) },
]);
module.C_Finalize();
