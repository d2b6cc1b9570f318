import type { Finding, RequestExplanation } from '../explain-request.ts';
import type { FileExplanation, ServiceExplanation } from '../policy/explain-file.ts';
import type { ValueExplanation } from '../policy/explain-values.ts';

/** A policy file for people; ends with a line feed. */
export function formatFile(said: FileExplanation): string {
  const { file, what, problems, services, values, notJudged, readAs } = said;
  const kind = {
    service: 'a service',
    group: 'a group of services',
    defaults: 'what stands beneath all services',
    administrators: 'who signs the policies that follow',
    retired: 'backends that never come back',
  };
  const fate = problems.length === 0 ? 'would be taken' : 'would be refused';
  return lines([
    `${file}: ${kind[what]}; ${fate}`,
    ...list('it was read', readAs === undefined ? [] : [readAs]),
    ...list(
      'refused at load',
      problems.map(({ code, message }) => `${code}  ${message}`),
    ),
    ...services.flatMap(serviceLines),
    ...valueLines(values),
    ...list('not judged', notJudged),
  ]);
}

function serviceLines({ service, address, allows, refuses, values }: ServiceExplanation): string[] {
  return [
    `${service}  ${address}`,
    ...list('allows', allows),
    ...list('refuses', refuses),
    ...valueLines(values),
  ];
}

const ORIGINS: Readonly<Record<ValueExplanation['from'], string>> = {
  service: 'the service',
  group: 'its group',
  defaults: 'the defaults',
  file: 'this file',
  'built in': 'built in',
};

function valueLines(values: readonly ValueExplanation[]): string[] {
  const rows = values.map(({ key, value, from, place, rule }) => {
    const origin = place === undefined ? ORIGINS[from] : `${ORIGINS[from]}, ${place}`;
    return `${key.padEnd(27)}${value.padEnd(10)} ${origin}${rule === undefined ? '' : `, for ${rule}`}`;
  });
  return list('values', rows);
}

const OUTCOMES: Readonly<Record<RequestExplanation['outcome'], string>> = {
  signed: 'would be signed',
  repeated: 'would get the answer again that was given for its id',
  refused: 'would be refused',
};

/** A request's fate for people; ends with a line feed. */
export function formatRequest(said: RequestExplanation): string {
  const { publisher, service, at, policySerial, outcome, descriptors, findings, notJudged } = said;
  const who = publisher === '' ? 'anybody' : publisher;
  const when = `${new Date(at * 1000).toISOString().slice(0, 19)}Z`;
  const texts = outcome === 'signed' ? `, ${descriptors} descriptors` : '';
  const [told, ...others] = findings;
  return lines([
    `${service} asked for by ${who} at ${when}, policy ${policySerial}: ${OUTCOMES[outcome]}${texts}`,
    ...(told === undefined ? [] : list('refused first by', findingLines(told))),
    ...list('would refuse too', others.flatMap(findingLines)),
    ...list('not judged', notJudged),
  ]);
}

function findingLines({ refusedBy, title, observed, limit, evidence, advice }: Finding): string[] {
  return [
    `${refusedBy}: ${title}`,
    ...(observed === undefined || limit === undefined ? [] : [`  observed: ${observed}; limit: ${limit}`]),
    ...(evidence === undefined ? [] : [`  descriptor: ${evidence}`]),
    `  do: ${advice}`,
  ];
}

const list = (title: string, items: readonly string[]): string[] =>
  items.length === 0 ? [] : [`  ${title}`, ...items.map(item => `    ${item}`)];

const lines = (all: readonly string[]): string => all.map(line => `${line}\n`).join('');
