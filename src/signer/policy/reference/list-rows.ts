import type { RuleRow } from './row.ts';

const LOAD = 'test/signer/policy/load.test.ts';
const LIST = 'test/pkcs11/list.test.ts';
const NAMES = 'test/signer/policy/service-names.test.ts';
const ACCESS = 'test/signer/policy/access.test.ts';

/** What a policy may not say: refused when it is read, and by the keyholder when it reads its list. */
export const LIST_ROWS: readonly RuleRow[] = [
  {
    id: 'BACKEND-KEY',
    enforcers: ['policy', 'list'],
    paragraph:
      'The key of a backend is a canonical point of prime order. For a key of small order or with a torsion part ' +
      'anybody could sign evidence.',
    advice: 'compare the address with its source and name another backend',
    functions: ['src/signer/policy/read-service.ts#readAddress', 'src/pkcs11/list-backends.ts#backendKey'],
    accepts: { file: LIST, title: 'is read as it was written, and has one encoding' },
    refuses: { file: LOAD, title: 'takes no backend whose key anybody could sign for: BACKEND-KEY' },
  },
  {
    id: 'BACKEND-NOT-OURS',
    enforcers: ['policy', 'list'],
    paragraph:
      'No backend is an identity that this signer holds: its signed output would become evidence again, for ever.',
    advice: 'name the address of a backend, not one that this signer signs for',
    functions: ['src/signer/policy/check.ts#checkPolicy', 'src/pkcs11/list-backends.ts#checkKeys'],
    accepts: { file: LIST, title: 'is read as it was written, and has one encoding' },
    refuses: { file: LOAD, title: 'name no identity of this signer as a backend: BACKEND-NOT-OURS' },
  },
  {
    id: 'BACKEND-EXCLUSIVE',
    enforcers: ['policy', 'list'],
    paragraph: 'A backend serves one service: equal introduction points would show who belongs together.',
    advice: 'give each service backends of its own',
    functions: ['src/signer/policy/check.ts#refuseSharedBackends', 'src/pkcs11/list-backends.ts#checkKeys'],
    accepts: { file: LIST, title: 'is read as it was written, and has one encoding' },
    refuses: { file: LOAD, title: 'share no backend: BACKEND-EXCLUSIVE' },
  },
  {
    id: 'BACKEND-RETIRED',
    enforcers: ['policy', 'list'],
    parameter: 'retired in _retired.yaml',
    default: 'none',
    paragraph:
      'An address that was retired is no backend of any service, and no later policy may forget it: its key may have been ' +
      'copied, and who has it signs evidence for as long as it is named.',
    advice: 'give the backend a new key and address; `may_return: true` lets the old one back, and loosens',
    functions: [
      'src/signer/policy/check.ts#checkPolicy',
      'src/signer/policy/retired.ts#checkRetirement',
      'src/pkcs11/list-backends.ts#checkRetired',
    ],
    accepts: {
      file: 'test/signer/policy/retired.test.ts',
      title: 'comes back where policy says so, which loosens, and may then leave the list',
    },
    refuses: { file: LIST, title: 'names no retired key as a backend' },
  },
  {
    id: 'SERVICE-NAME',
    enforcers: ['policy'],
    paragraph:
      'A name and an address that stood together in any policy of this journal stay together, and neither ever belongs to ' +
      'another. Measures, exposure and budgets hang on the name: under another one a frozen service would be free.',
    advice: 'leave the name as it was; for another address take a name that no policy had yet',
    functions: ['src/signer/policy/approval.ts#checkStep'],
    accepts: { file: NAMES, title: 'may leave policy and come back as it was' },
    refuses: { file: NAMES, title: 'takes no other name, also when it was away' },
  },
  {
    id: 'CLIENT-KEY',
    enforcers: ['policy', 'list'],
    parameter: 'clients',
    default: 'none: whoever knows the address may read',
    paragraph:
      'The key of a client is a canonical X25519 key, of no low order, and stands once. With a low-order key the shared ' +
      'secret would be zero, and the cookie public.',
    advice: 'have the client make a new key pair',
    functions: ['src/signer/policy/read-access.ts#readClients', 'src/pkcs11/list-access.ts#clientKey'],
    accepts: {
      file: ACCESS,
      title: 'are taken in tor’s form and as the key alone, in either case, sorted by name',
    },
    refuses: {
      file: LIST,
      title: 'takes no client key of low order or in another encoding, written or read',
    },
  },
  {
    id: 'SINGLE-ONION',
    enforcers: ['core', 'keyholder'],
    parameter: 'single_onion',
    default: 'false',
    paragraph:
      '`single-onion-service` stands in a descriptor by policy alone. No request or order has a field for it, and the ' +
      'core refuses a text that differs from policy.',
    advice: 'set `single_onion` in the policy and run `policy apply`',
    functions: ['src/pkcs11/descriptor-builder.ts#assemble', 'src/signer/verify-output.ts#compare'],
    accepts: {
      file: 'test/pkcs11/keyholder.test.ts',
      title: 'carries flow control when all evidence agrees, and the single-onion flag of the list',
    },
    refuses: { file: 'test/signer/verify-output.test.ts', title: 'of a service that is to be single onion' },
  },
];
