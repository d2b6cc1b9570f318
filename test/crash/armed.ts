// Lets a test kill a process of ours at a named point: methods are wrapped from outside, before the program starts.
// No code of the product knows of it; the programs that use it stand beside this file.

import { existsSync, readFileSync } from 'node:fs';

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Path of the file that names the point at which to die: `Class.method:before` or `Class.method:after`. */
const ARMED = process.env['CRASH_POINT_FILE'] ?? '';

/** Wraps methods of classes, each given as the class and the names of its methods. */
export function arm(
  ...classes: readonly (readonly [{ name: string; prototype: object }, ...string[]])[]
): void {
  for (const [owner, ...methods] of classes) {
    for (const name of methods) wrap(owner.prototype, name, `${owner.name}.${name}`);
  }
}

function wrap(prototype: object, name: string, point: string): void {
  const method: unknown = Reflect.get(prototype, name);
  if (typeof method !== 'function') throw new Error(`there is no method ${point}`);
  const original = method as Method;
  Reflect.set(prototype, name, function wrapped(this: unknown, ...args: unknown[]) {
    dieAt(`${point}:before`);
    const result = original.apply(this, args);
    if (!(result instanceof Promise)) {
      dieAt(`${point}:after`);
      return result;
    }
    return result.then((value: unknown) => {
      dieAt(`${point}:after`);
      return value;
    });
  });
}

function dieAt(point: string): void {
  if (existsSync(ARMED) && readFileSync(ARMED, 'utf8') === point) process.kill(process.pid, 'SIGKILL');
}
