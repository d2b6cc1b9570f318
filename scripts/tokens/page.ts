// docs/tokens.md: tokens that were tried, by the outputs of `token probe --json` that were submitted, and others.

import type { TokenProbe } from '../../src/signer/contract/token-probe.ts';
import { MAKERS_WORDS, type MakersWord } from './makers.ts';

/** A file of docs/probes. */
export interface SubmittedProbe {
  readonly file: string;
  readonly probe: TokenProbe;
}

const HEAD = `# Tokens

Made by \`npm run tokens\` from \`docs/probes/*.json\`; a test compares, and probes SoftHSM again. \`token probe URI --pin SOURCE\`
tries on any token what is below: real calls on keys that are made for it and removed again. A line says what happened, not
what a token lists. To add yours, send what \`--json\` prints, with \`serial\` and \`label\` made empty if you wish.

* *refused*: the token said no. *wrong*: it said yes, and the result was not what it must be. *silent*, *dead*: the module
  did not answer in 30 s (120 s where an RSA key is made), or its process ended. *untried*: something that it needs did not work.
* Speeds are rough, through the module, on the host of whoever sent them.
* A probe logs in once, and once more after each line that kills its process; it never tries a PIN that was refused, and none
  when the token says that it is locked, to be changed, or near its last try. What a probe that was killed leaves on a token is
  called \`onion-signer probe\`; the next one removes it, so do not run two at once on one token.
* It tries keys that a program can make. A card on which keys are made by its maker's tool alone is refused here.

## Tried
`;

const WORDS = `
## Documented by makers, not tried by us

No more than what their makers or the source of their modules say. Probe before you rely on any of it.

| token | sealing | Ed25519 | source |
| --- | --- | --- | --- |
`;

/** The whole page. */
export function renderTokens(
  probes: readonly SubmittedProbe[],
  words: readonly MakersWord[] = MAKERS_WORDS,
): string {
  const rows = words.map(
    ({ token, sealing, ed25519, sources }) =>
      `| ${token} | ${sealing} | ${ed25519} | ${sources.map((url, i) => `[${i + 1}](${url})`).join(', ')} |\n`,
  );
  return `${HEAD}${probes.map(section).join('')}${WORDS}${rows.join('')}`;
}

function section({ file, probe }: SubmittedProbe): string {
  const { token, module, flags, mechanisms, findings, custody, advice } = probe;
  const verdicts = custody.map(
    ({ custody: name, carried, why }) =>
      `| ${name} | ${carried ? 'yes' : '**no**'} | ${plain(why.join('; '))} |\n`,
  );
  const lines = findings.map(({ title, outcome, detail, ckr, perSecond }) => {
    const more = [detail, ckr === 0 ? '' : `CKR 0x${ckr.toString(16)}`]
      .filter(text => text !== '')
      .join(', ');
    return `| ${title} | ${outcome} | ${plain(more)} | ${perSecond === 0 ? '' : perSecond} |\n`;
  });
  const unlisted = mechanisms.filter(({ listed }) => !listed).map(({ name }) => `\`${name}\``);
  return `
### ${plain(`${token.manufacturer} ${token.model}`)}, firmware ${plain(token.firmware)}

Module: ${plain(`${module.manufacturer} ${module.description} ${module.version}`)}, PKCS#11 ${plain(module.cryptoki)}. The token says: ${plain(flags.join(', '))}.${
    unlisted.length === 0 ? '' : ` It does not list ${unlisted.join(', ')}.`
  }
From [\`${file}\`](probes/${file}). Advice: ${
    advice.prepare === undefined ? 'nothing is sealed to it' : `\`token prepare --kind ${advice.prepare}\``
  }, \`period_keys: ${advice.periodKeys}\`.

| custody | carried | how, or why not |
| --- | --- | --- |
${verdicts.join('')}
| tried | outcome | | per second |
| --- | --- | --- | --- |
${lines.join('')}`;
}

/** Strings of tokens are somebody else's: no markup of theirs stands in our page. */
const plain = (text: string): string => text.replace(/[^\w .,;:()'/+-]/gu, ' ');
