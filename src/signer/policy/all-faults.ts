import { basename } from 'node:path';
import { SignerError } from '../contract/problems.ts';
import { parseStrictYaml } from '../program/strict-yaml.ts';
import { collectProblems } from './collect-problems.ts';
import {
  checkTogether,
  DEFAULTS_FILE,
  isServiceFile,
  listFiles,
  type LoadOptions,
  parseAdministrators,
  parseDefaults,
  parseRetired,
  type PolicyFile,
  readFile,
} from './load.ts';
import { readPolicyFile } from './read-policy-file.ts';
import type { Layer, LoadedService } from './read-service.ts';
import type { RetiredBackend } from './retired.ts';

/**
 * What is wrong with the files of `directory`, in their order; none where loadPolicy finds nothing. A fault may hide
 * another one, but none is there only because of another. SignerError FILE_UNREADABLE for the directory itself.
 */
export function allFaults(directory: string, options: LoadOptions): SignerError[] {
  const faults: SignerError[] = [];
  const files = listFiles(directory).flatMap(path => noted(faults, () => readFile(path)) ?? []);
  const hasDefaults = !faults.some(({ file = '' }) => basename(file) === DEFAULTS_FILE);
  findFaults(files, options, { faults, hasDefaults });
  // Of a directory that others can write each of its files says so.
  return [...new Map(faults.map(fault => [fault.message, fault])).values()].toSorted(byPlace);
}

/** allFaults without the file system: adds to `faults`; `hasDefaults` false: there are some that cannot be read. */
function findFaults(
  files: readonly PolicyFile[],
  options: LoadOptions,
  { faults, hasDefaults }: { readonly faults: SignerError[]; readonly hasDefaults: boolean },
): void {
  const defaults = hasDefaults ? noted(faults, () => ({ layer: parseDefaults(files) })) : undefined;
  noted(faults, () => parseAdministrators(files));
  const retired = noted(faults, () => parseRetired(files)) ?? [];
  const loaded = files.filter(isServiceFile).flatMap(file => readOne(file, defaults, faults));
  findTogether(loaded, faults, { options, retired });
}

/** The services of a file; without its defaults nobody knows more of it than whether it is YAML. */
function readOne(
  { name, text }: PolicyFile,
  defaults: { readonly layer: Layer | undefined } | undefined,
  faults: SignerError[],
): readonly LoadedService[] {
  const top = noted(faults, () => parseStrictYaml(text, name));
  if (top === undefined || defaults === undefined) return [];
  const { loaded, problems } = collectProblems(top, map => readPolicyFile(map, defaults.layer));
  faults.push(...problems);
  return loaded;
}

/** Each service that does not go with those before it. */
function findTogether(
  loaded: readonly LoadedService[],
  faults: SignerError[],
  { options, retired }: { readonly options: LoadOptions; readonly retired: readonly RetiredBackend[] },
): void {
  const check = (services: readonly LoadedService[]): true => {
    checkTogether(services, options, retired);
    return true;
  };
  // One by one it takes a time that grows with the square of their number.
  if (noted([], () => check(loaded)) === true) return;
  const good: LoadedService[] = [];
  for (const service of loaded)
    if (noted(faults, () => check([...good, service])) === true) good.push(service);
}

/** What `act` gives; undefined when it ends with a SignerError, which is added to `faults`. */
function noted<T>(faults: SignerError[], act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    faults.push(error);
    return undefined;
  }
}

const byPlace = (one: SignerError, other: SignerError): number => {
  const [a, b] = [one.file ?? '', other.file ?? ''];
  if (a !== b) return a < b ? -1 : 1;
  return (one.line ?? 0) - (other.line ?? 0) || (one.column ?? 0) - (other.column ?? 0);
};
