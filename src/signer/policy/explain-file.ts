import { basename } from 'node:path';
import { SignerError } from '../contract/problems.ts';
import { parseStrictYaml, type Place } from '../program/strict-yaml.ts';
import { wordsOf } from './administrators.ts';
import { collectProblems, type DroppedKey } from './collect-problems.ts';
import { allowsOf, refusesOf } from './explain-words.ts';
import { explainValues, unknownKeys, type ValueExplanation } from './explain-values.ts';
import {
  checkTogether,
  type FileRole,
  isServiceFile,
  type LoadOptions,
  parseAdministrators,
  parseDefaults,
  parseFile,
  parseRetired,
  type PolicyFile,
  roleOf,
} from './load.ts';
import { readPolicyFile } from './read-policy-file.ts';
import { type Layer, type LoadedService, readDefaults } from './read-service.ts';
import { fateOf, type RetiredBackend } from './retired.ts';
import { DEFAULT_LIMITS } from './types.ts';

/** Why a file would not be taken: the message begins with file, line and column and says what to write. */
export interface FileProblem {
  readonly code: string;
  readonly message: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
}

export interface ServiceExplanation {
  readonly service: string;
  readonly address: string;
  readonly allows: readonly string[];
  readonly refuses: readonly string[];
  readonly values: readonly ValueExplanation[];
}

/** What a policy file says, in words. */
export interface FileExplanation {
  readonly kind: 'file';
  readonly file: string;
  readonly what: 'service' | 'group' | Exclude<FileRole, 'services'>;
  /** Empty when it would be taken. */
  readonly problems: readonly FileProblem[];
  readonly services: readonly ServiceExplanation[];
  /** What a file sets that is about no service. */
  readonly values: readonly ValueExplanation[];
  readonly notJudged: readonly string[];
  /** Where it was taken to stand when it is none of the policies. */
  readonly readAs?: string;
}

/**
 * Says what `file` allows and refuses among `others`, the files that stand beside it. Everything that is wrong with it is a
 * problem, never thrown.
 */
export function explainFile(
  file: PolicyFile,
  others: readonly PolicyFile[],
  options: LoadOptions,
): FileExplanation {
  const role = roleOf(file);
  const said = {
    kind: 'file',
    file: file.name,
    what: role === 'services' ? 'service' : role,
    services: [],
    values: [],
    notJudged: [],
  } as const;
  try {
    switch (role) {
      case 'services':
        return { ...said, ...explainServices(file, others, options) };
      case 'defaults':
        return { ...said, ...explainDefaults(file) };
      case 'administrators':
        return { ...said, ...explainAdministrators(file) };
      case 'retired':
        return { ...said, ...explainRetired(file, others, options) };
    }
  } catch (error) {
    // Not even its keys can be told apart, or its defaults cannot be read.
    if (!(error instanceof SignerError)) throw error;
    return { ...said, problems: [toProblem(error)] };
  }
}

type Explained<Key extends keyof FileExplanation> = Pick<FileExplanation, 'problems' | Key>;

function explainDefaults(file: PolicyFile): Explained<'values'> {
  const layer = readDefaults(parseStrictYaml(file.text, file.name));
  const { limits, ...values } = layer.values;
  const effective = {
    publishers: [],
    enabled: true,
    singleOnion: false,
    caa: [],
    caaCritical: false,
    ...values,
    limits: { ...DEFAULT_LIMITS, ...limits },
  };
  return { problems: [], values: explainValues(effective, [layer]) };
}

/** Kinds and fingerprints of keys, and how many of the people it takes. */
function explainAdministrators(file: PolicyFile): Explained<'values'> {
  const words = wordsOf(parseAdministrators([file]));
  const map = parseStrictYaml(file.text, file.name);
  const people = map.entries.get('administrators');
  const values = [...words].map(([what, value]) => {
    const name = /^administrator (.*)$/u.exec(what)?.[1];
    const place = name === undefined ? map.keys.get(what) : people?.kind === 'map' && people.keys.get(name);
    return fileValue(name === undefined ? what : `administrators.${name}`, value, place || undefined);
  });
  return { problems: [], values };
}

/** What never comes back, and which of the services beside it still has it as a backend. */
function explainRetired(
  file: PolicyFile,
  others: readonly PolicyFile[],
  options: LoadOptions,
): Explained<'values' | 'notJudged'> {
  const retired = parseRetired([file]);
  const list = parseStrictYaml(file.text, file.name).entries.get('retired');
  const defaults = parseDefaults(others);
  const { loaded, notJudged } = readOthers(others, defaults, { options, retired: [] });
  return {
    problems: together(loaded, [], { options, retired }).map(toProblem),
    values: retired.map(backend => {
      const place = list?.kind === 'map' ? list.keys.get(backend.name) : undefined;
      return fileValue(`retired.${backend.name}`, `${backend.address}, ${fateOf(backend)}`, place);
    }),
    notJudged,
  };
}

/** A value of a file that is about no service; one without a place is built in. */
const fileValue = (key: string, value: string, place: Place | undefined): ValueExplanation => ({
  key,
  value,
  from: place === undefined ? 'built in' : 'file',
  place: place && `${basename(place.file)}:${place.line}`,
  rule: key.startsWith('retired.') ? 'BACKEND-RETIRED' : undefined,
});

function explainServices(
  file: PolicyFile,
  others: readonly PolicyFile[],
  options: LoadOptions,
): Explained<'what' | 'services' | 'notJudged'> {
  const defaults = parseDefaults(others);
  const top = parseStrictYaml(file.text, file.name);
  const { loaded, problems, dropped } = collectProblems(top, map => readPolicyFile(map, defaults));
  const retired = parseRetired(others);
  const beside = readOthers(others, defaults, { options, retired });
  return {
    what: top.entries.has('services') ? 'group' : 'service',
    problems: [...problems, ...together(loaded, beside.loaded, { options, retired })].map(toProblem),
    services: loaded.map(service => explainService(service, dropped, options)),
    notJudged: [...beside.notJudged, ...dropped.map(toUntold)],
  };
}

/** What stands in place of a refused value is not told: it is not what the file says. */
function explainService(
  { policy, layers }: LoadedService,
  dropped: readonly DroppedKey[],
  { publishers }: LoadOptions,
): ServiceExplanation {
  const { service, address } = policy;
  const values = explainValues(policy, layers);
  const unknown = unknownKeys(service, values, dropped);
  return {
    service,
    address,
    allows: allowsOf(policy, unknown),
    refuses: refusesOf(policy, publishers),
    values: values.filter(({ key }) => !unknown.has(key)),
  };
}

const toUntold = ({ member, key }: DroppedKey): string =>
  `${key}${member === undefined ? '' : ` of ${member}`}: it is refused as it stands here`;

/** What services are checked with beside each other. */
interface Together {
  readonly options: LoadOptions;
  readonly retired: readonly RetiredBackend[];
}

/** The other files as far as they can be read; a broken one must not hide what this one says. */
function readOthers(
  others: readonly PolicyFile[],
  defaults: Layer | undefined,
  { options, retired }: Together,
): { loaded: LoadedService[]; notJudged: string[] } {
  const [loaded, notJudged] = [new Array<LoadedService>(), new Array<string>()];
  for (const file of others.filter(isServiceFile)) {
    try {
      const services = parseFile(file, defaults);
      checkTogether([...loaded, ...services], options, retired);
      loaded.push(...services);
    } catch (error) {
      if (!(error instanceof SignerError)) throw error;
      notJudged.push(
        `whether it fits beside ${basename(file.name)}, which is refused itself: ${error.message}`,
      );
    }
  }
  return { loaded, notJudged };
}

/** What is wrong with services only beside others: each alone first, then with the rest of its file. */
function together(
  own: readonly LoadedService[],
  beside: readonly LoadedService[],
  { options, retired }: Together,
): SignerError[] {
  const problems = new Map<string, SignerError>();
  for (const services of [...own.map(each => [each]), own]) {
    try {
      if (services.length > 0) checkTogether([...beside, ...services], options, retired);
    } catch (error) {
      if (!(error instanceof SignerError)) throw error;
      problems.set(error.message, error);
    }
  }
  return [...problems.values()];
}

const toProblem = ({ code, message, file, line, column }: SignerError): FileProblem => ({
  code,
  message,
  file,
  line,
  column,
});
