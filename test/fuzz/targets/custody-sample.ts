import type { KeyholderStatus } from '../../../src/pkcs11/keyholder-status.ts';

/** What the keyholder says of its tokens, on a bad day. */
export const CUSTODY_SAMPLE: Pick<KeyholderStatus, 'signingToken' | 'tokens' | 'breaker'> = {
  signingToken: {
    state: 'down',
    pid: 0,
    tokenLabel: 'press',
    errorCode: 'TOKEN_DEAD',
    downSince: 7,
    nextTry: 9,
  },
  tokens: [
    {
      name: 'pkcs11:token=press',
      openedAt: 5,
      seenAt: 6,
      errorCode: 'TOKEN_DEAD',
      errorSince: 7,
      strangerTo: ['frontpage'],
    },
  ],
  breaker: { isOpen: true, since: 7, nextTry: 9, code: 'TOKEN_DEAD' },
};
