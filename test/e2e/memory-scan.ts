import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** One thing to look for. Every encoding of it that a careless program might keep is searched too. */
export interface Needle {
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Pattern {
  readonly name: string;
  readonly bytes: Buffer;
}

const CHUNK_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(2 * CHUNK_BYTES);

function patternsOf(needles: readonly Needle[]): Pattern[] {
  return needles.flatMap(({ name, bytes }) => {
    const raw = Buffer.from(bytes);
    const base64 = raw.toString('base64').replace(/=+$/, '');
    return [
      { name, bytes: raw },
      { name: `${name} (hex)`, bytes: Buffer.from(raw.toString('hex')) },
      // The last character of base64 depends on what follows; leave it out.
      { name: `${name} (base64)`, bytes: Buffer.from(base64.slice(0, -1)) },
    ];
  });
}

function scanBuffer(window: Buffer, patterns: readonly Pattern[], found: Set<string>): void {
  // Most of what a process has reserved was never written.
  if (window.equals(ZEROS.subarray(0, window.length))) return;
  for (const pattern of patterns) if (window.includes(pattern.bytes)) found.add(pattern.name);
}

/** Reads one open file from `from` to `until` in overlapping windows, so that no match hides on a seam. */
function scanRange(
  fd: number,
  from: number,
  until: number,
  patterns: readonly Pattern[],
  found: Set<string>,
): number {
  const overlap = Math.max(...patterns.map(p => p.bytes.length)) - 1;
  const buffer = Buffer.alloc(CHUNK_BYTES + overlap);
  let carried = 0;
  let position = from;
  let total = 0;
  while (position < until) {
    const want = Math.min(CHUNK_BYTES, until - position);
    let got: number;
    try {
      got = readSync(fd, buffer, carried, want, position);
    } catch {
      return total; // a guard page or a mapping that went away
    }
    if (got === 0) break;
    scanBuffer(buffer.subarray(0, carried + got), patterns, found);
    const keep = Math.min(overlap, carried + got);
    buffer.copyWithin(0, carried + got - keep, carried + got);
    carried = keep;
    position += got;
    total += got;
  }
  return total;
}

/** Searches all readable memory of a process but the code of files (needs root or the same user). Gives the names found and the bytes read. */
export function scanProcess(pid: number, needles: readonly Needle[]): { found: string[]; bytesRead: number } {
  const patterns = patternsOf(needles);
  const found = new Set<string>();
  let bytesRead = 0;
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const match = /^([0-9a-f]+)-([0-9a-f]+) r\S* \S+ \S+ \S+\s*(.*)$/.exec(line);
      if (match === null || match[3] === '[vvar]' || match[3] === '[vsyscall]') continue;
      if (/ r-xp .* \//.test(line)) continue;
      const [from, until] = [Number.parseInt(match[1] ?? '', 16), Number.parseInt(match[2] ?? '', 16)];
      if (Number.isSafeInteger(from) && Number.isSafeInteger(until)) {
        bytesRead += scanRange(fd, from, until, patterns, found);
      }
    }
    const environment = readFileSync(`/proc/${pid}/environ`);
    const commandLine = readFileSync(`/proc/${pid}/cmdline`);
    scanBuffer(environment, patterns, found);
    scanBuffer(commandLine, patterns, found);
  } finally {
    closeSync(fd);
  }
  return { found: [...found].sort(), bytesRead };
}

/** The same in another process, so that this one can go on meanwhile. */
export async function scanProcessApart(
  pid: number,
  needles: readonly Needle[],
): Promise<{ found: string[]; bytesRead: number }> {
  const program = fileURLToPath(new URL('./programs/scan-memory.ts', import.meta.url));
  const scanner = spawn(process.execPath, ['--no-warnings', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const named = needles.map(({ name, bytes }) => ({ name, hex: Buffer.from(bytes).toString('hex') }));
  scanner.stdin.end(JSON.stringify({ pid, needles: named }));
  return JSON.parse(await text(scanner.stdout)) as { found: string[]; bytesRead: number };
}

/** Searches every regular file below `folder`. Gives `path: name` for each hit and the number of files read. */
export function scanFolder(
  folder: string,
  needles: readonly Needle[],
): { found: string[]; filesRead: number } {
  const patterns = patternsOf(needles);
  const hits: string[] = [];
  let filesRead = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const found = new Set<string>();
    const fd = openSync(path, 'r');
    try {
      scanRange(fd, 0, statSync(path).size, patterns, found);
    } finally {
      closeSync(fd);
    }
    filesRead += 1;
    hits.push(...[...found].map(name => `${path}: ${name}`));
  }
  return { found: hits.sort(), filesRead };
}
