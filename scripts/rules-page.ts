// The reference page of rules as Markdown.

import { INVARIANTS } from '../src/descriptor/index.ts';
import type { Enforcer, RuleRow } from '../src/signer/policy/reference/index.ts';

const ENFORCERS: Record<Enforcer, string> = {
  policy: 'when a policy is read',
  list: 'when the keyholder reads its list',
  core: 'in the core, at each request',
  keyholder: 'in the keyholder, at each order, by its own clock and list',
};

const HEAD = `# Rules

Made by \`npm run rules\` from \`src/signer/policy/reference/\`; a test compares, and looks for each test and function.

A denial names one of these rules, what was observed and the limit. The first that refuses wins. An *invariant* has no key in a
policy and holds beside the period keys even when the core is an attacker's: \`test/pkcs11/hostile-core.test.ts\` has an
attack on each.

| rule | held by | key of the policy | default |
| --- | --- | --- | --- |
`;

/** The whole page. */
export function renderRules(rows: readonly RuleRow[]): string {
  const invariants = new Set<string>(Object.values(INVARIANTS));
  const table = rows.map(row => {
    const kind = invariants.has(row.id) ? '*invariant*' : '';
    const parameter = row.parameter === undefined ? kind : `\`${row.parameter}\``;
    return `| [${row.id}](#${row.id.toLowerCase()}) | ${row.enforcers.join(', ')} | ${parameter} | ${row.default ?? ''} |\n`;
  });
  return `${HEAD}${table.join('')}\n${rows.map(section).join('\n')}`;
}

function section(row: RuleRow): string {
  const parameter =
    row.parameter === undefined ? [] : [`* Key: \`${row.parameter}\`, by default ${row.default ?? 'none'}`];
  const lines = [
    `* Held: ${row.enforcers.map(each => ENFORCERS[each]).join('; ')}`,
    ...parameter,
    `* When it refuses: ${row.advice}`,
    `* Judge: ${row.functions.map(name => `\`${name}\``).join(', ')}`,
    `* Lets through: \`${row.accepts.file}\`, “${row.accepts.title}”`,
    `* Refuses: \`${row.refuses.file}\`, “${row.refuses.title}”`,
  ];
  return `## ${row.id}\n\n${row.paragraph}\n\n${lines.join('\n')}\n`;
}
