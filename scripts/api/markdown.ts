// docs/api.md from the surface of the library.

import type { ApiEntry, ApiGroup } from './surface.ts';

const INTRODUCTION = `# Descriptor library

<!-- Made by \`npm run api\` from the sources. Do not edit: change a docstring in src/descriptor instead. -->

\`\`\`js
import { openDescriptor, parseOnionAddress } from 'onion-signer/descriptor';
\`\`\`

Built JavaScript with types, for Node. It loads \`@noble/*\` and \`node:crypto\` only: no native addon, no files, no
network. It is pure: clock and randomness are arguments, and nothing is read from the environment. What is public and
dear to compute is remembered within bounds.

Times are Unix time in seconds, \`…Hours\` are hours since 1970, lengths are bytes. A function that refuses its input
throws a \`DescriptorError\`; branch on its \`code\`, never on its message. What comes from a network goes through a
\`parse…\` or \`open…\` function: only these mint the types of keys. Secrets (private keys, descriptor cookies, keys of
revision counters) stay bytes, which the caller overwrites.

Sections: rend-spec-v3, cert-spec, dir-spec, tor-spec, srv-spec and param-spec are Tor's specifications; what says
"ours" stands in none of them.
`;

/** The whole document, ended by LF. */
export function renderApi(groups: readonly ApiGroup[]): string {
  const contents = groups.map(({ title }) => `- [${title}](#${anchor(title)})`);
  const sections = groups.map(
    ({ title, entries }) => `## ${title}\n\n${entries.map(renderEntry).join('\n\n')}\n`,
  );
  return `${INTRODUCTION}\n${contents.join('\n')}\n\n${sections.join('\n')}`;
}

function renderEntry({ name, signature, doc }: ApiEntry): string {
  return `### ${name}\n\n\`\`\`ts\n${signature}\n\`\`\`\n\n${linksToCode(doc)}`;
}

/** As the usual renderers of Markdown make it from a heading. */
function anchor(title: string): string {
  return title.toLowerCase().replaceAll(' ', '-');
}

function linksToCode(doc: string): string {
  return doc.replace(/\{@link ([\w.]+)\}/g, '`$1`').replaceAll(' < ', ' \\< ');
}
