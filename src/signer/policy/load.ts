import { lstatSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SignerError } from '../contract/problems.ts';
import { readTrustedFile } from '../program/read-file.ts';
import { errorAt, parseStrictYaml } from '../program/strict-yaml.ts';
import { type Administrators, ADMINISTRATORS_FILE, readAdministrators } from './administrators.ts';
import { checkPolicy } from './check.ts';
import { MAX_SERVICES, readPolicyFile } from './read-policy-file.ts';
import { type Layer, type LoadedService, readBackendAddress, readDefaults } from './read-service.ts';
import { readRetired, RETIRED_FILE, type RetiredBackend } from './retired.ts';
import type { Policy } from './types.ts';

export const DEFAULTS_FILE = '_defaults.yaml';
const ENDING = '.yaml';
const MAX_FILES = 1_000;

/** What loading needs from elsewhere. */
export interface LoadOptions {
  /** The names of the publishers in signer.yaml. */
  readonly publishers: ReadonlySet<string>;
  /** Addresses (62 characters) of every identity this signer holds, with a policy or without. */
  readonly held?: ReadonlySet<string>;
}

export interface PolicyFile {
  /** As it shall stand in messages. */
  readonly name: string;
  readonly text: string;
}

/**
 * Reads every `*.yaml` of `directory`: a service or a group each, over `_defaults.yaml` if there is one. Other endings
 * are left alone; symbolic links are refused. Gives the policy with its services sorted by alias; SignerError
 * with file, line and column: FILE_UNREADABLE, FILE_MODE, POLICY_EMPTY, YAML_*, DUPLICATE_KEY, UNKNOWN_KEY, MISSING_KEY,
 * BAD_VALUE, POLICY_DUPLICATE, POLICY_PUBLISHER, CLIENT-KEY, ADMINISTRATOR-KEY, BACKEND-NOT-OURS, BACKEND-EXCLUSIVE,
 * BACKEND-RETIRED. Nothing is half loaded.
 */
export function loadPolicy(directory: string, options: LoadOptions): Policy {
  return parsePolicy(readFiles(directory), options);
}

/** The files that loadPolicy reads, sorted by name. SignerError FILE_UNREADABLE, FILE_MODE. */
export const readFiles = (directory: string): PolicyFile[] => listFiles(directory).map(readFile);

/** SignerError as readTrustedFile. */
export const readFile = (path: string): PolicyFile => ({ name: path, text: readTrustedFile(path) });

/** The paths of the files that loadPolicy reads, sorted. SignerError FILE_UNREADABLE. */
export function listFiles(directory: string): string[] {
  const names = namesIn(directory).filter(name => name.endsWith(ENDING));
  if (names.length > MAX_FILES) {
    throw new SignerError('FILE_UNREADABLE', `${directory}: keep at most ${MAX_FILES} policies`, {
      file: directory,
    });
  }
  return names.sort().map(name => join(directory, name));
}

/** Names of files that are no policies, but that somebody may take for one. SignerError FILE_UNREADABLE. */
export const mistakableNames = (directory: string): string[] =>
  namesIn(directory)
    .filter(name => /\.ya?ml$/iu.test(name) && !name.endsWith(ENDING))
    .sort();

/** Without hidden ones. */
function namesIn(directory: string): string[] {
  try {
    if (!lstatSync(directory).isDirectory()) throw new Error('not a directory');
    return readdirSync(directory).filter(name => !name.startsWith('.'));
  } catch (cause) {
    const message = `${directory}: make this a readable directory with one file per service`;
    throw new SignerError('FILE_UNREADABLE', message, { cause, file: directory });
  }
}

/** loadPolicy without the file system: the pure part. */
export function parsePolicy(files: readonly PolicyFile[], options: LoadOptions): Policy {
  const defaults = parseDefaults(files);
  const loaded = files.filter(isServiceFile).flatMap(file => parseFile(file, defaults));
  if (loaded.length === 0) {
    throw new SignerError('POLICY_EMPTY', 'write one policy file per service, such as frontpage.yaml');
  }
  const [administrators, retired] = [parseAdministrators(files), parseRetired(files)];
  checkTogether(loaded, options, retired);
  const services = loaded.map(({ policy }) => policy).sort((a, b) => (a.service < b.service ? -1 : 1));
  return Object.freeze({ services: Object.freeze(services), administrators, retired });
}

const fileOf = (files: readonly PolicyFile[], wanted: string): PolicyFile | undefined =>
  files.find(({ name }) => basename(name) === wanted);

/** What a file is about, by its name. */
export type FileRole = 'services' | 'defaults' | 'administrators' | 'retired';

const ROLES: Readonly<Record<string, FileRole>> = {
  [DEFAULTS_FILE]: 'defaults',
  [ADMINISTRATORS_FILE]: 'administrators',
  [RETIRED_FILE]: 'retired',
};

export const roleOf = ({ name }: PolicyFile): FileRole => ROLES[basename(name)] ?? 'services';

/** Whether a file holds services: all but those with a name of their own. */
export const isServiceFile = (file: PolicyFile): boolean => roleOf(file) === 'services';

/** `_administrators.yaml` of these files, if there is one. */
export function parseAdministrators(files: readonly PolicyFile[]): Administrators | undefined {
  const file = fileOf(files, ADMINISTRATORS_FILE);
  return file && readAdministrators(parseStrictYaml(file.text, file.name));
}

/** `_retired.yaml` of these files; without one nothing is retired. */
export function parseRetired(files: readonly PolicyFile[]): readonly RetiredBackend[] {
  const file = fileOf(files, RETIRED_FILE);
  return file ? readRetired(parseStrictYaml(file.text, file.name), readBackendAddress) : Object.freeze([]);
}

/** `_defaults.yaml` of these files, if there is one. */
export function parseDefaults(files: readonly PolicyFile[]): Layer | undefined {
  const file = fileOf(files, DEFAULTS_FILE);
  return file && readDefaults(parseStrictYaml(file.text, file.name));
}

/** The services of one file. */
export const parseFile = ({ name, text }: PolicyFile, defaults: Layer | undefined): LoadedService[] =>
  readPolicyFile(parseStrictYaml(text, name), defaults);

/** What a service alone does not show: its publishers, and the others. */
export function checkTogether(
  loaded: readonly LoadedService[],
  options: LoadOptions,
  retired: readonly RetiredBackend[],
): void {
  const beyond = loaded[MAX_SERVICES];
  if (beyond !== undefined) throw errorAt('BAD_VALUE', beyond.alias, `keep at most ${MAX_SERVICES} services`);
  for (const service of loaded) checkPublishers(service, options.publishers);
  checkPolicy(loaded, { held: options.held ?? new Set(), retired });
}

function checkPublishers({ policy, layers, alias }: LoadedService, known: ReadonlySet<string>): void {
  if (policy.publishers.every(publisher => known.has(publisher))) return;
  const place = layers.map(({ map }) => map.entries.get('publishers')).find(node => node !== undefined);
  throw errorAt('POLICY_PUBLISHER', place ?? alias, 'name only publishers that stand in signer.yaml');
}
