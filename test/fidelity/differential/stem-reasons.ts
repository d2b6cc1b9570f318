import type { Reason } from './disagree.ts';

/** stem is a library for research: it parses leniently and leaves verification to its caller. */
export const STEM_REASONS: readonly Reason[] = [
  {
    id: 'stem-authorization',
    relation: 'stem refuses, we take',
    kinds: /^middle: (?:MAC|salt|inner layer|object|random)/u,
    why: 'an inner layer that does not open without a cookie: we, as tor, call it restricted',
  },
  {
    id: 'stem-dates',
    relation: 'stem refuses, we take',
    kinds: /^certificate \w+: (?:expiry|random)/u,
    why: 'its dates do not reach the end of the certificate’s 32 bits',
  },
  {
    id: 'stem-form',
    relation: 'stem refuses, we take',
    kinds: /space|padding|random|UTF-8|object/u,
    why: 'a second space between arguments, or base64 of an argument without padding, which tor reads',
  },
  {
    id: 'stem-outer',
    relation: 'stem takes, we refuse',
    kinds: /^(?:outer|signature): /u,
    why: 'it bounds no number and no size, and reads lines, base64 and keys in any form',
  },
  {
    id: 'stem-certificate',
    relation: 'stem takes, we refuse',
    kinds: /^certificate 08: /u,
    why: 'it does not verify certificate 08 when it reads: neither type, expiry nor signature',
  },
  {
    id: 'stem-middle',
    relation: 'stem takes, we refuse',
    kinds: /^middle: /u,
    why: 'of the middle layer it reads the inner layer only',
  },
  {
    id: 'stem-head',
    relation: 'stem takes, we refuse',
    kinds: /^inner: /u,
    why: 'of the inner layer’s head it knows three keywords',
  },
  {
    id: 'stem-points',
    relation: 'stem takes, we refuse',
    kinds: /^point: |^certificate (?:09|0B): /u,
    why: 'it verifies no key and no certificate of a point',
  },
];
