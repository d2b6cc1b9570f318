import { readdir, readFile } from 'node:fs/promises';

/** The process ids whose parent is `pid`, with their command lines. */
export async function childrenOf(pid: number): Promise<{ readonly pid: number; readonly command: string }[]> {
  const children: { pid: number; command: string }[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    try {
      const stat = await readFile(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (parent !== pid) continue;
      const command = (await readFile(`/proc/${name}/cmdline`, 'utf8')).replaceAll('\0', ' ');
      children.push({ pid: Number(name), command });
    } catch {
      // It ended while we looked.
    }
  }
  return children;
}

/** The keyholder that is a child of this core. */
export async function keyholderPid(core: number): Promise<number> {
  const found = (await childrenOf(core)).find(({ command }) => /keyholder\.[jt]s/.test(command));
  if (found === undefined) throw new Error('the core has no keyholder');
  return found.pid;
}
