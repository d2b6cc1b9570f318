// What may be done with a secret, as a function from a module and the names of its secrets to everything else done.

import { type SyntaxNode, child, childrenOf, nameOf, parseModule, walk } from '../../scripts/api/syntax.ts';

/** Functions that take secret bytes and give bytes, a verdict in constant time, or an object that holds them. */
const TAKE_BYTES: ReadonlySet<string> = new Set(
  (
    'concat concatSecret equalBytes aes256ctr sha3_256 shake256 layerMac use sumSteps x25519SharedSecret deriveClientKeys ' +
    'createPrivateKey importX25519Private createRevisionCounter decodeBase64Into decodeBase32Into encodeBase64Into ' +
    'encodeBase32Into checkDerLength checkKeyLength startsWith afterLineEnd digitsOf openCookie decryptInner'
  ).split(' '),
);

/** Members that neither show a byte nor turn it into something else. */
const BYTE_MEMBERS: ReadonlySet<string> = new Set([
  'length',
  'fill',
  'subarray',
  'set',
  'clientId',
  'update',
]);

/** Nodes that hand a value on as it is. */
const HANDS_ON =
  /^(?:Property|ObjectPattern|VariableDeclarator|ReturnStatement|LogicalExpression|FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/;

/**
 * Every use of a secret of a module by which it could become text or a number, be compared or show a single byte, as
 * source text. Secrets are given by name: variables, parameters and members of that name.
 */
export function exposedSecrets(file: string, text: string, secrets: readonly string[]): string[] {
  const found: string[] = [];
  const visit = (node: SyntaxNode, parents: readonly SyntaxNode[]): void => {
    if (node.type.startsWith('TS') || node.type === 'ImportDeclaration') return;
    const [parent] = parents;
    if (isSecret(node, parent, secrets) && parent !== undefined && !isHarmless(node, parents, secrets)) {
      found.push(text.slice(parent.start, parent.end));
    }
    for (const each of childrenOf(node)) visit(each, [node, ...parents]);
  };
  for (const statement of parseModule(file, text).body) visit(statement, []);
  return found;
}

/** A variable of the name, or a member of it: `key`, `parts.scalar`. */
function isSecret(node: SyntaxNode, parent: SyntaxNode | undefined, secrets: readonly string[]): boolean {
  if (node.type === 'MemberExpression') {
    return node['computed'] !== true && secrets.includes(nameOf(child(node, 'property')));
  }
  if (node.type !== 'Identifier' || !secrets.includes(nameOf(node))) return false;
  const isMemberName = parent?.type === 'MemberExpression' && child(parent, 'property') === node;
  return !(isMemberName && parent['computed'] !== true);
}

function isHarmless(node: SyntaxNode, parents: readonly SyntaxNode[], secrets: readonly string[]): boolean {
  const [parent, around] = parents;
  switch (parent?.type) {
    case undefined:
      return true;
    case 'MemberExpression': {
      const member = nameOf(child(parent, 'property'));
      const isRead = parent['computed'] !== true && child(parent, 'object') === node;
      return isRead && (BYTE_MEMBERS.has(member) || secrets.includes(member));
    }
    case 'CallExpression':
      return child(parent, 'callee') !== node && TAKE_BYTES.has(calleeName(parent));
    case 'ArrayExpression':
      return around?.type === 'CallExpression' && TAKE_BYTES.has(calleeName(around));
    case 'BinaryExpression':
      return [child(parent, 'left'), child(parent, 'right')].some(side => nameOf(side) === 'undefined');
    default:
      return HANDS_ON.test(parent?.type ?? '');
  }
}

function calleeName(call: SyntaxNode): string {
  const callee = child(call, 'callee');
  return nameOf(callee?.type === 'MemberExpression' ? child(callee, 'property') : callee);
}

/**
 * Everything in a module by which its time could depend on a value: look-ups by index and conditions, as source text in
 * their order. Whoever reads the list sees whether a secret is in it.
 */
export function looksAndBranches(file: string, text: string): string[] {
  const found: string[] = [];
  const show = (node: SyntaxNode | undefined): void => {
    if (node !== undefined) found.push(text.slice(node.start, node.end));
  };
  for (const statement of parseModule(file, text).body) {
    walk(statement, node => {
      if (node.type === 'MemberExpression' && node['computed'] === true) show(node);
      if (node.type === 'LogicalExpression') show(node);
      else show(child(node, 'test'));
      return node.type !== 'LogicalExpression';
    });
  }
  return found;
}

const TEXT_OF_BYTES =
  /^(?:toHex|toKey|toString|join|hexOf|sha256Hex|sha256Key|encodeBase(?:64|64Unpadded|32))$/;
const COMPARES = /^(?:compare|equals|every|some|indexOf|findIndex)$/;
const EQUALITY = /^[!=]==?$/;

/**
 * Comparisons of bytes whose time tells where they differ, as `file: source text`: of their texts, element by element
 * in a callback, or by a method. `equalBytes` is the way that does not.
 */
export function hastyComparisons(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([file, text]) => {
    const found: string[] = [];
    for (const statement of parseModule(file, text).body) {
      walk(statement, node => {
        if (isHasty(node)) found.push(`${file}: ${text.slice(node.start, node.end)}`);
        return true;
      });
    }
    return found;
  });
}

function isHasty(node: SyntaxNode): boolean {
  if (node.type === 'BinaryExpression' && EQUALITY.test(String(node['operator']))) {
    return [child(node, 'left'), child(node, 'right')].some(
      side => side?.type === 'CallExpression' && TEXT_OF_BYTES.test(calleeName(side)),
    );
  }
  if (node.type !== 'CallExpression' || !COMPARES.test(calleeName(node))) return false;
  if (/^(?:compare|equals)$/.test(calleeName(node))) return true;
  let byElement = false;
  walk(node, inner => {
    const sides = [child(inner, 'left'), child(inner, 'right')];
    byElement ||=
      inner.type === 'BinaryExpression' &&
      EQUALITY.test(String(inner['operator'])) &&
      sides.some(side => side?.type === 'MemberExpression' && side['computed'] === true);
    return true;
  });
  return byElement;
}
