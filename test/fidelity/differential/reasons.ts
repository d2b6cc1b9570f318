import { openDescriptor } from '../../../src/descriptor/open.ts';
import type { Reason } from './disagree.ts';
import type { Made } from './make.ts';
import { STEM_REASONS } from './stem-reasons.ts';

/** Why tor takes what we refuse: each is a second text of one meaning, or a key or point that nobody should use. */
const STRICTER: readonly Omit<Reason, 'relation'>[] = [
  {
    id: 'number-form',
    kinds: /in another form|create2-formats with more|argument|random/u,
    codes: ['BAD_INTEGER', 'UNKNOWN_VERSION'],
    why: 'a sign, a leading zero or a value out of range in a list makes two texts of one number',
  },
  {
    id: 'short-lifetime',
    kinds: /lifetime below 30/u,
    codes: ['BAD_INTEGER'],
    why: 'tor writes 180; Arti refuses less than 30',
  },
  {
    id: 'text-form',
    kinds:
      /^(?:outer|middle|inner|point): (?:.*(?:space|tab|line|CR|NUL|control|opt|annotation|comment|dot|capitals|second document|UTF-8|byte)|random|text behind)/u,
    codes: ['BAD_SYNTAX'],
    why: 'control characters, CR, tabs, empty or indented lines, `opt`, keywords of other characters: a second way to write the same',
  },
  {
    id: 'object-form',
    kinds: /object|certificate \w+: cut short|random/u,
    codes: ['BAD_SYNTAX', 'BAD_BASE64'],
    why: 'other line lengths, padding or set bits behind the last byte: a second text of one value',
  },
  {
    id: 'argument-form',
    kinds: /argument|signature line with set bits|random/u,
    codes: ['BAD_BASE64'],
    why: 'padding or set bits behind the last byte of base64: a second text of one value',
  },
  {
    id: 'not-text',
    kinds: /byte|random|UTF-8/u,
    codes: ['BAD_UTF8'],
    why: 'text is UTF-8',
  },
  {
    id: 'behind-the-end',
    kinds: /padding|NUL|random/u,
    codes: ['BAD_LAYER', 'BAD_SYNTAX'],
    why: 'tor stops at the first NUL; what stands behind it is a hidden channel beside what was judged',
  },
  {
    id: 'scalar-range',
    kinds: /S beyond the order|: S$|random/u,
    codes: ['BAD_SIGNATURE'],
    why: 'tor does not bound S: two signatures of one text',
  },
  {
    id: 'no-key',
    kinds: /key|random|argument/u,
    codes: ['BAD_KEY'],
    why: 'a key of low order makes secrets known or verifies anything; one that is not canonical is a second text of another',
  },
  {
    id: 'certificate-form',
    kinds: /certificate|random/u,
    codes: ['BAD_CERT'],
    why: 'tor looks at neither the type of the certified key nor flags of the signing key',
  },
  {
    id: 'enc-key-certified',
    kinds: /certificate 0B|enc-key|argument|random/u,
    codes: ['WRONG_KEY'],
    why: 'tor does not compare certificate 0B with its enc-key; Arti does',
  },
  {
    id: 'two-identities',
    kinds: /link specifier|identities|random|argument/u,
    codes: ['BAD_LINK_SPECIFIER'],
    why: 'a point with no link specifier or with two identities of one kind names no relay',
  },
  {
    id: 'lines-of-a-point',
    kinds: /^point: |^inner: (?:head of a point|item|random)/u,
    codes: ['BAD_SYNTAX', 'BAD_POINT', 'MISSING_ITEM', 'DUPLICATE_ITEM', 'POINT_COUNT'],
    why: 'lines in the wrong section, a point that tor leaves out, a second key: refused as a whole',
  },
  {
    id: 'authentication-word',
    kinds: /intro-auth-required/u,
    codes: ['BAD_LAYER'],
    why: 'tor compares only the first letters of the kind of authentication',
  },
  {
    id: 'flow-control-versions',
    kinds: /flow-control|argument|random/u,
    codes: ['BAD_SYNTAX'],
    why: 'tor reads of the versions only what it needs',
  },
  {
    id: 'puzzle-form',
    kinds: /pow-params/u,
    codes: ['BAD_SYNTAX', 'BAD_BASE64', 'BAD_INTEGER'],
    why: 'a time or seed in another form; never written here',
  },
  {
    id: 'caa-form',
    kinds: /caa|item|argument|object|random/u,
    codes: ['BAD_SYNTAX', 'BAD_INTEGER', 'DUPLICATE_ITEM'],
    why: 'tor knows no CAA lines; we read them by RFC 9799',
  },
  {
    id: 'wrong-cookie',
    kinds: /^middle: /u,
    codes: ['BAD_MAC'],
    why: 'where a client cannot open the inner layer tor reports the descriptor as received, and asks for another key',
  },
];

/** What we take and tor does not: all of it, by name. */
const LAXER: readonly Omit<Reason, 'relation'>[] = [
  {
    id: 'sendme-inc',
    kinds: /flow-control|inner: (?:argument|random|item)/u,
    when: made => Math.abs(sendmeIncOf(made) - 31) > 1,
    why: 'the reader knows no consensus; the publisher copies what its own network’s backends write',
  },
  {
    id: 'legacy-keys',
    kinds: /legacy-key/u,
    why: 'tor verifies RSA keys of points at relays before 0.3; we read them as bytes and never write them',
  },
];

/** The network's value when the text has none. */
function sendmeIncOf({ text, kpHsId, period, descriptorCookie }: Made): number {
  const { inner } = openDescriptor(text, { kpHsId, periods: [period], descriptorCookie });
  return inner?.flowControl?.sendmeInc ?? 31;
}

/** Every reason for which tor or stem may judge a descriptor otherwise than we do. */
export const REASONS: readonly Reason[] = [
  ...LAXER.map(reason => ({ ...reason, relation: 'tor refuses, we take' as const })),
  ...STRICTER.map(reason => ({ ...reason, relation: 'tor takes, we refuse' as const })),
  ...STEM_REASONS,
];

/** A row of the table in docs/fidelity.md. */
export function formatRow({ id, relation, why }: Reason, count?: number): string {
  return `| \`${id}\` | ${relation} | ${why} |${count === undefined ? '' : ` ${count} |`}`;
}
