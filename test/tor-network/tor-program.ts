import { spawn } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Paths of tor and tor-gencert. The environment variable TOR_BIN names the tor program or its folder (an unpacked
 * package, for instance); without it both are looked up in PATH.
 */
export function torPrograms(): { tor: string; torGencert: string } {
  const { TOR_BIN: given } = process.env;
  if (given === undefined || given === '') return { tor: 'tor', torGencert: 'tor-gencert' };
  if (statSync(given).isDirectory())
    return { tor: join(given, 'tor'), torGencert: join(given, 'tor-gencert') };
  // Debian's /usr/sbin/tor is a link: its companions lie beside what it points to.
  return { tor: given, torGencert: join(dirname(realpathSync(given)), 'tor-gencert') };
}

/** Runs a program to its end with `input` on stdin; returns stdout, throws with its output on any other end than 0. */
export async function runProgram(program: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const output: string[] = [];
  const errors: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  child.stdin.on('error', () => undefined).end(input);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject).once('close', resolve);
  const code = await promise;
  if (code === 0) return output.join('');
  throw new Error(`${program} ended with ${code}:\n${output.join('')}${errors.join('')}`);
}
