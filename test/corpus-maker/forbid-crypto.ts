// For `node --import`: from here on every function of node:crypto and of Web Crypto throws, and calls are counted.

import * as crypto from 'node:crypto';
import { registerHooks } from 'node:module';

const FORBIDDEN = 'node:crypto is forbidden here';
/** Names of forbidden functions that were called, in order. */
export const forbiddenCalls: string[] = [];

function forbidden(name: string): never {
  forbiddenCalls.push(name);
  throw new Error(FORBIDDEN);
}

Object.assign(globalThis, { forbiddenCrypto: { forbidden } });

const exported = Object.keys(crypto).filter(name => /^[A-Za-z]\w*$/.test(name) && name !== 'default');
const source = exported
  .map(name => `export function ${name}() { return globalThis.forbiddenCrypto.forbidden('${name}'); }`)
  .join('\n');
const url = `data:text/javascript,${encodeURIComponent(source)}`;

registerHooks({
  resolve: (specifier, context, next) =>
    /^(?:node:)?crypto$/.test(specifier) ? { url, shortCircuit: true } : next(specifier, context),
});
process.getBuiltinModule = (name: string) => forbidden(name);
// @noble looks for a source of randomness when it is loaded, and does without.
const webCrypto = Object.defineProperty({}, 'subtle', { get: () => forbidden('subtle') });
Object.defineProperty(globalThis, 'crypto', { value: webCrypto });
