import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A copy of the module in module.c, with commands and a list of calls of its own. */
export interface MisbehavingModule {
  readonly modulePath: string;
  /** Replaces all commands, for the calls from now on: `FUNCTION ACTION [NUMBER]`, see module.c. */
  command(...lines: string[]): void;
  /** Names of the functions that were called, in order. */
  calls(): string[];
  count(name: string): number;
  forgetCalls(): void;
}

/** The compiled module; makes any number of copies. */
export interface MisbehavingModules {
  /** A copy that passes calls on to the module at `real`. */
  create(real: string): MisbehavingModule;
  dispose(): void;
}

/** Compiles module.c with the compiler that set-up needs for pkcs11js. */
export function compileMisbehavingModule(): MisbehavingModules {
  const folder = mkdtempSync(join(tmpdir(), 'misbehaving-module-'));
  const source = fileURLToPath(new URL('./module.c', import.meta.url));
  const compiled = join(folder, 'module.so');
  const flags = ['-Wall', '-Wextra', '-Werror', '-O1', '-fPIC', '-shared', '-o', compiled];
  execFileSync('g++', ['-x', 'c', ...flags, source, '-ldl'], { stdio: 'pipe' });
  let copies = 0;
  return {
    create: real => {
      copies += 1;
      const modulePath = join(folder, `copy-${copies}.so`);
      copyFileSync(compiled, modulePath);
      chmodSync(modulePath, 0o500);
      return moduleAt(modulePath, real);
    },
    dispose: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function moduleAt(modulePath: string, real: string): MisbehavingModule {
  const calls = (): string[] => readFileSync(`${modulePath}.calls`, 'latin1').split('\n').slice(0, -1);
  const each: MisbehavingModule = {
    modulePath,
    command: (...lines) => {
      writeFileSync(`${modulePath}.new`, [`real ${real}`, ...lines, ''].join('\n'));
      renameSync(`${modulePath}.new`, `${modulePath}.control`);
    },
    calls,
    count: name => calls().filter(call => call === name).length,
    forgetCalls: () => writeFileSync(`${modulePath}.calls`, ''),
  };
  each.command();
  each.forgetCalls();
  return each;
}
