import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** What comes before a command so that it and its children lock this much memory at most. */
export function underMemoryLimit(kilobytes: number): readonly string[] {
  // Root may lock beyond the limit; setpriv takes that right away for good.
  const drop = process.geteuid?.() === 0 ? 'setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock ' : '';
  return ['/bin/sh', '-c', `ulimit -l ${kilobytes} && exec ${drop}"$@"`, 'sh'];
}

/** A library for LD_PRELOAD with an `mlock` that locks the first `bytes` alone and says that it locked all. Its path. */
export function compileLyingMlock(folder: string, bytes: number): string {
  const compiled = join(folder, `mlock-${bytes}.so`);
  const source = `
    #include <stddef.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    static size_t most = ${bytes};
    int mlock(const void *start, size_t length) {
      size_t some = length < most ? length : most;
      return some == 0 ? 0 : (int)syscall(SYS_mlock, start, some);
    }`;
  // The compiler that set-up needs for pkcs11js.
  const flags = ['-Wall', '-Wextra', '-Werror', '-fPIC', '-shared', '-o', compiled];
  execFileSync('g++', ['-x', 'c', ...flags, '-'], { input: source, stdio: 'pipe' });
  return compiled;
}
