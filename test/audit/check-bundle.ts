import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SCRIPT = fileURLToPath(new URL('check.py', import.meta.url));

/** What the auditor's own program says of an exported journal: `OK: …`, or `FAIL: …`. */
export const checkBundle = (folder: string, address: string, ...files: string[]): Promise<string> =>
  runCheck(folder, address, ...files);

/** What it prints for any arguments. */
export async function runCheck(...args: string[]): Promise<string> {
  const run = promisify(execFile)('/usr/bin/python3', [SCRIPT, ...args]);
  const { stdout, stderr } = await run.catch((error: { stdout?: string; stderr?: string }) => error);
  return `${stdout ?? ''}${stderr ?? ''}`.trim();
}
