// What the kernel says about processes: children, processor time, memory. And on which core they run.

import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

/** Resident now, and the most it ever was, in megabytes (10^6 bytes). */
export interface Memory {
  readonly resident: number;
  readonly peak: number;
}

/** Of a process that runs; undefined for one that has ended. */
export function memoryOf(pid: number): Memory | undefined {
  const status = read(`/proc/${pid}/status`);
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'mu').exec(status)?.[1]);
  const [resident, peak] = [field('VmRSS'), field('VmHWM')].map(kilobytes => (kilobytes * 1024) / 1e6);
  if (resident === undefined || peak === undefined || Number.isNaN(resident + peak)) return undefined;
  return { resident, peak };
}

/** Processor seconds that a process has used, all threads. */
export function cpuSecondsOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // Behind the name, which may hold anything, stand the fields from the third on; 14 and 15 in ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Children of a process whose command line has `part`. */
export function childrenOf(pid: number, part: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/u.test(name))
    .filter(name => {
      const stat = read(`/proc/${name}/stat`);
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === String(pid);
    })
    .filter(name => read(`/proc/${name}/cmdline`).includes(part))
    .map(Number);
}

/** Puts processes with all their threads on the first core; false when taskset is missing or refuses. */
export function pinToOneCore(pids: readonly number[]): boolean {
  return pids.every(
    pid => spawnSync('taskset', ['-a', '-c', '-p', '0', String(pid)], { stdio: 'ignore' }).status === 0,
  );
}

/** A process may end while it is looked at. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
