import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** A file system of its own that can be filled and made read-only. Needs root. */
export class SmallDisk {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static mount(folder: string, megabytes: number): SmallDisk {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'none', folder]);
    return new SmallDisk(folder);
  }

  /** Takes the last byte. */
  fill(): void {
    for (let block = 1 << 20; block >= 1; block >>= 1) {
      try {
        for (;;) appendFileSync(this.#filler, Buffer.alloc(block));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    }
  }

  empty(): void {
    rmSync(this.#filler);
  }

  setReadOnly(isReadOnly: boolean): void {
    execFileSync('mount', ['-o', `remount,${isReadOnly ? 'ro' : 'rw'}`, this.folder]);
  }

  unmount(): void {
    execFileSync('umount', [this.folder]);
  }

  get #filler(): string {
    return join(this.folder, 'filler');
  }
}
