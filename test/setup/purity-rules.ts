// What a pure library may take from the platform, as a function from its sources to everything else it takes.

import { type SyntaxNode, child, nameOf, nodes, parseModule, walk } from '../../scripts/api/syntax.ts';
import { freeNames } from './free-names.ts';

/** Of JavaScript and Node: conversions and containers. No clock, randomness, environment, timer, network or log. */
const GLOBALS: ReadonlySet<string> = new Set(
  (
    'Array ArrayBuffer BigInt Buffer DataView Date Error Map Math NaN Number Object Set String TextDecoder TextEncoder ' +
    'Uint8Array WeakMap undefined'
  ).split(' '),
);

/** Of node:crypto: hash, cipher and curve operations on given bytes. */
const OF_CRYPTO: ReadonlySet<string> = new Set(
  (
    'KeyObject createCipheriv createHash createPrivateKey createPublicKey createSecretKey diffieHellman hash ' +
    'timingSafeEqual verify'
  ).split(' '),
);

/** Members that make randomness, or whose result depends on the time zone or language of the machine. */
const IMPURE_MEMBER =
  /random|^(?:keygen|getTimezoneOffset|localeCompare|toLocale\w*|toDateString|toTimeString|allocUnsafe\w*)$|^(?:get|set)(?:Hours|Minutes|Seconds|Date|Day|Month|FullYear)$/i;

/** Every impure thing that these sources use, as `file: what`. */
export function impureUses(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([file, text]) => {
    const module = parseModule(file, text);
    const free = freeNames(module)
      .filter(({ name, parent }) => !GLOBALS.has(name) || !isComputation(name, parent))
      .map(({ name }) => name);
    const rest: string[] = [];
    for (const statement of module.body) {
      walk(statement, node => {
        rest.push(...impureNode(node));
        return true;
      });
    }
    return [...free, ...rest].map(what => `${file}: ${what}`);
  });
}

/**
 * `new Date(given)`, `Date.parse` and `Date.UTC` compute; `Date()`, `new Date()` and `Date.now` look at the clock. Math
 * is used member by member, so that each is seen.
 */
function isComputation(name: string, parent: SyntaxNode): boolean {
  if (name !== 'Date' && name !== 'Math') return true;
  if (name === 'Date' && parent.type === 'NewExpression') return nodes(parent['arguments']).length > 0;
  if (parent.type !== 'MemberExpression' || parent['computed'] === true) return false;
  return name === 'Math' || ['parse', 'UTC'].includes(nameOf(child(parent, 'property')));
}

function impureNode(node: SyntaxNode): string[] {
  if (node.type === 'AwaitExpression' || node['async'] === true) return ['asynchronous code'];
  if (node.type === 'ImportExpression') return ['import()'];
  if (node.type === 'MemberExpression') {
    const member = nameOf(child(node, 'property'));
    return IMPURE_MEMBER.test(member) ? [`.${member}`] : [];
  }
  if (node.type !== 'ImportDeclaration' && node.type !== 'ExportNamedDeclaration') return [];
  const source = nameOf(child(node, 'source'));
  if (source === '' || source.startsWith('.')) return [];
  const names = nodes(node['specifiers']).map(
    each => nameOf(child(each, 'imported')) || (each.type === 'ImportNamespaceSpecifier' ? '*' : 'default'),
  );
  const refused = (name: string): boolean =>
    source === 'node:crypto'
      ? !OF_CRYPTO.has(name)
      : !source.startsWith('@noble/') || IMPURE_MEMBER.test(name);
  return names.filter(refused).map(name => `${name} of ${source}`);
}
