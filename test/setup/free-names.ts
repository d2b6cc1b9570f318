// Names that a module uses without declaring them: what it takes from the platform.

import {
  type Syntax,
  type SyntaxNode,
  child,
  childrenOf,
  isNode,
  nameOf,
  nodes,
} from '../../scripts/api/syntax.ts';

/** One use of a name that the module does not declare, with the node around it. */
export interface FreeName {
  readonly name: string;
  readonly parent: SyntaxNode;
}

/** Scopes from the innermost outwards. */
type Scopes = readonly ReadonlySet<string>[];

const FUNCTION = /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/;
/** TypeScript around a value; every other TypeScript node is erased. */
const AROUND_VALUE = /^TS(?:As|Satisfies|NonNull|Instantiation)Expression$/;
const NOTHING_USED =
  /^(?:ImportDeclaration|ExportAllDeclaration|ExportSpecifier|BreakStatement|ContinueStatement)$/;

/** Every use of an undeclared name in running code; `import.meta` is one as well. Types use nothing. */
export function freeNames({ body }: Syntax): FreeName[] {
  const found: FreeName[] = [];
  const module = { type: 'BlockStatement', start: 0, end: 0, body };
  visit(module, module, [], found);
  return found;
}

function visit(node: SyntaxNode, parent: SyntaxNode, scopes: Scopes, found: FreeName[]): void {
  if (NOTHING_USED.test(node.type)) return;
  if (node.type.startsWith('TS') && !AROUND_VALUE.test(node.type)) return;
  if (node.type === 'MetaProperty') found.push({ name: 'import.meta', parent });
  else if (node.type === 'Identifier') {
    const name = nameOf(node);
    if (!scopes.some(scope => scope.has(name))) found.push({ name, parent });
  } else {
    const inner = [declaredBy(node), ...scopes];
    for (const each of valuesOf(node)) visit(each, node, inner, found);
  }
}

/** The children that are values: neither names of members nor labels. */
function valuesOf(node: SyntaxNode): SyntaxNode[] {
  const isMember = /^(?:MemberExpression|Property|MethodDefinition|PropertyDefinition)$/.test(node.type);
  const named = node.type === 'MemberExpression' ? 'property' : 'key';
  const skipped = isMember && node['computed'] !== true ? child(node, named) : child(node, 'label');
  const value = child(node, 'value');
  // In `{ a }` key and value are one identifier, or two nodes of one place.
  return childrenOf(node).filter(each => each !== skipped || each === value);
}

/** What a node declares for everything inside of it. */
function declaredBy(node: SyntaxNode): Set<string> {
  if (FUNCTION.test(node.type)) {
    return new Set([nameOf(child(node, 'id')), ...nodes(node['params']).flatMap(boundBy)]);
  }
  if (node.type === 'CatchClause') return new Set(boundBy(child(node, 'param')));
  if (node.type.startsWith('For')) {
    return new Set([child(node, 'init'), child(node, 'left')].flatMap(declaredNames));
  }
  const statements =
    node.type === 'SwitchStatement' ? nodes(node['cases']).flatMap(childrenOf) : nodes(node['body']);
  return new Set(statements.flatMap(declaredNames));
}

function declaredNames(statement: SyntaxNode | undefined): string[] {
  if (statement === undefined) return [];
  switch (statement.type) {
    case 'ExportNamedDeclaration':
      return declaredNames(child(statement, 'declaration'));
    case 'ImportDeclaration':
      return nodes(statement['specifiers']).map(each => nameOf(child(each, 'local')));
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return [nameOf(child(statement, 'id'))];
    case 'VariableDeclaration':
      return nodes(statement['declarations']).flatMap(each => boundBy(child(each, 'id')));
    default:
      return [];
  }
}

/** The names that a pattern binds. */
function boundBy(pattern: SyntaxNode | undefined): string[] {
  if (pattern === undefined) return [];
  if (pattern.type === 'Identifier') return [nameOf(pattern)];
  const parts = [pattern['argument'], pattern['left'], pattern['value']].filter(isNode);
  return [...parts, ...nodes(pattern['elements']), ...nodes(pattern['properties'])].flatMap(boundBy);
}
