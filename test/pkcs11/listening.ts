import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** Inodes of the TCP sockets on which a process listens, as an inspector does. */
export function listeningSockets(pid: number): string[] {
  const listening = new Set(
    ['tcp', 'tcp6'].flatMap(table =>
      readFileSync(`/proc/${pid}/net/${table}`, 'latin1')
        .split('\n')
        .map(line => line.trim().split(/\s+/u))
        .filter(fields => fields[3] === '0A')
        .map(fields => fields[9] ?? ''),
    ),
  );
  return readdirSync(`/proc/${pid}/fd`).flatMap(fd => {
    try {
      const inode = /^socket:\[(\d+)\]$/u.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '';
      return listening.has(inode) ? [inode] : [];
    } catch {
      return []; // closed while we looked
    }
  });
}

/** What the kernel may put of a process into a core file: `filter` 0 is no memory, `limit` 0 no file. */
export function coreFilesOf(pid: number): { readonly filter: number; readonly limit: string } {
  const filter = Number.parseInt(readFileSync(`/proc/${pid}/coredump_filter`, 'latin1'), 16);
  const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
  return { filter, limit: /^Max core file size +(\S+) /mu.exec(limits)?.[1] ?? '' };
}
