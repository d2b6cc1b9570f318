import { existsSync, readFileSync, readdirSync } from 'node:fs';

const folder = (name: string): URL => new URL(`../${name}/`, import.meta.url);

/** Files of a folder of test/ whose names `fits`; none when the folder is not there. */
export function filesOf(name: string, fits: RegExp): Uint8Array[] {
  const url = folder(name);
  if (!existsSync(url)) return [];
  return readdirSync(url)
    .filter(file => fits.test(file))
    .sort()
    .map(file => new Uint8Array(readFileSync(new URL(file, url))));
}

/** Inputs that were findings once, of one target: test/fuzz/findings/AREA-READER--what.bin. */
export function formerFindings(target: string): Uint8Array[] {
  const prefix = `${target.replaceAll('/', '-')}--`;
  return filesOf('fuzz/findings', new RegExp(`^${prefix}`, 'u'));
}

export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
export const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
