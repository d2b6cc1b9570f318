// What a docstring of the public surface must say, as functions from its entries to the names that break a rule.

import type { ApiEntry } from '../../scripts/api/surface.ts';
import { type Syntax, type SyntaxNode, child, nameOf, nodes, walk } from '../../scripts/api/syntax.ts';

const SPECIFICATION =
  /\b(?:rend-spec-v3|cert-spec|dir-spec|tor-spec|param-spec) (?:§|appendix )|\bsrv-spec\b|\b(?:RFC|FIPS|proposal) \d/;
const OURS = /\b[Oo]urs\b|\bno specification\b/;
const CODES = /\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b/g;
const THROWS = /\b[Tt]hrows\b([^]*)$/;
const THROWS_NOTHING = /\bDoes not throw\b/;
const CODES_OF_ANOTHER = /\bcodes of (?:the|\{@link)/;

/** Of TypeScript itself; `const` is that of `as const`. */
const BUILT_IN = new Set(
  'Uint8Array ReadonlyMap ReadonlySet Readonly Record Pick Omit Extract const'.split(' '),
);

/** Types in signatures that a program could not name, because they are not exported. */
export function unnamedTypes(entries: readonly ApiEntry[]): string[] {
  return entries.flatMap(({ name, node }) => {
    const known = new Set([...BUILT_IN, ...entries.map(each => each.name)]);
    const used: string[] = [];
    walk(node, each => {
      if (each.type === 'TSTypeParameter') known.add(nameOf(child(each, 'name')));
      if (each.type === 'TSTypeReference') used.push(nameOf(child(each, 'typeName')));
      if (each.type === 'TSInterfaceHeritage') used.push(nameOf(child(each, 'expression')));
      return each.type !== 'BlockStatement' && each.type !== 'ArrowFunctionExpression';
    });
    return used.filter(type => !known.has(type)).map(type => `${name}: ${type}`);
  });
}

/** Names without a docstring. */
export function undocumented(entries: readonly ApiEntry[]): string[] {
  return names(entries, ({ doc }) => doc === '');
}

/** Functions whose docstring neither names a section of a specification nor says that there is none. */
export function unplaced(entries: readonly ApiEntry[]): string[] {
  return names(functions(entries), ({ doc }) => !SPECIFICATION.test(doc) && !OURS.test(doc));
}

/** Functions whose docstring says neither what they throw nor that they throw nothing, or says both. */
export function silentOnErrors(entries: readonly ApiEntry[]): string[] {
  return names(functions(entries), ({ doc }) => {
    const says = documentedCodes(doc).length > 0 || CODES_OF_ANOTHER.test(doc);
    return says === THROWS_NOTHING.test(doc);
  });
}

/** Codes in docstrings that are none. */
export function unknownCodes(entries: readonly ApiEntry[], known: readonly string[]): string[] {
  return functions(entries).flatMap(({ name, doc }) =>
    documentedCodes(doc)
      .filter(code => !known.includes(code))
      .map(code => `${name}: ${code}`),
  );
}

/** Codes that a function throws itself, or through helpers of its module, and that its docstring does not name. */
export function unnamedCodes(entries: readonly ApiEntry[]): string[] {
  return functions(entries).flatMap(({ name, doc, node, module }) => {
    const others = entries.filter(other => doc.includes(`codes of {@link ${other.name}}`));
    const documented = [doc, ...others.map(other => other.doc)].flatMap(documentedCodes);
    return [...thrownCodes(module, node)]
      .filter(code => !documented.includes(code))
      .map(code => `${name}: ${code}`);
  });
}

function documentedCodes(doc: string): string[] {
  return (THROWS.exec(doc)?.[1] ?? '').match(CODES) ?? [];
}

/** Those written at `new DescriptorError('CODE', …)`, outside of what catches them for good. */
function thrownCodes(module: Syntax, start: SyntaxNode): Set<string> {
  const codes = new Set<string>();
  const seen = new Set<SyntaxNode>([start]);
  for (const node of seen) {
    walk(node, each => {
      if (each.type === 'TryStatement' && swallows(each)) return false;
      const callee = nameOf(child(each, 'callee'));
      if (each.type === 'NewExpression' && callee === 'DescriptorError') {
        codes.add(nameOf(nodes(each['arguments'])[0]));
      }
      const helper = each.type === 'CallExpression' ? functionOf(module, callee) : undefined;
      if (helper !== undefined) seen.add(helper);
      return true;
    });
  }
  codes.delete('');
  return codes;
}

/** Whether everything that is thrown inside ends here: there is a handler, and it throws nothing. */
function swallows(statement: SyntaxNode): boolean {
  const handler = child(statement, 'handler');
  if (handler === undefined) return false;
  let throws = false;
  walk(handler, ({ type }) => {
    throws ||= type === 'ThrowStatement';
    return true;
  });
  return !throws;
}

/** A function of the module that is not exported: exported ones have docstrings of their own. */
function functionOf(module: Syntax, name: string): SyntaxNode | undefined {
  return module.body.find(node => node.type === 'FunctionDeclaration' && nameOf(child(node, 'id')) === name);
}

function functions(entries: readonly ApiEntry[]): ApiEntry[] {
  return entries.filter(({ kind }) => kind === 'function');
}

function names(entries: readonly ApiEntry[], broken: (entry: ApiEntry) => boolean): string[] {
  return entries.filter(broken).map(({ name }) => name);
}
