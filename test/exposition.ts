/** A strict reader of Prometheus' text format 0.0.4, made from its description: it shares no line with the writer. */

export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly type: string;
  readonly help: string;
  readonly samples: ReadSample[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/** Every family by name. Throws with the line that breaks the format or Prometheus' naming rules. */
export function readExposition(text: string): Map<string, ReadFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, ReadFamily>();
  const seen = new Set<string>();
  let current: { name: string; family: ReadFamily } | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, helpName, helpText] = new RegExp(`^# HELP (${NAME}) (.+)$`, 'u').exec(line) ?? [];
    const [, typeName, type] = new RegExp(`^# TYPE (${NAME}) ([a-z]+)$`, 'u').exec(line) ?? [];
    if (helpName !== undefined && helpText !== undefined) {
      help = { name: helpName, text: helpText };
    } else if (typeName !== undefined && type !== undefined) {
      if (!TYPES.includes(type) || families.has(typeName) || help?.name !== typeName) throw new Error(line);
      if (type === 'counter' && !typeName.endsWith('_total')) throw new Error(line);
      current = { name: typeName, family: { type, help: help.text, samples: [] } };
      families.set(typeName, current.family);
    } else {
      const sample = readSample(line);
      const name =
        current?.family.type === 'histogram'
          ? sample.name.replace(/_(?:bucket|sum|count)$/u, '')
          : sample.name;
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).map(String).toSorted()]);
      if (current === undefined || name !== current.name || seen.has(key)) throw new Error(line);
      seen.add(key);
      current.family.samples.push(sample);
    }
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family);
  return families;
}

function readSample(line: string): ReadSample {
  const match = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`, 'u').exec(line);
  const value = match?.[3] === '+Inf' ? Infinity : match?.[3] === '-Inf' ? -Infinity : Number(match?.[3]);
  if (match?.[1] === undefined || (Number.isNaN(value) && match[3] !== 'NaN')) throw new Error(line);
  const labels: Record<string, string> = {};
  let rest = match[2] ?? '';
  while (rest !== '') {
    const pair = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/u.exec(rest);
    if (pair?.[1] === undefined || pair[2] === undefined || pair[1] in labels) throw new Error(line);
    labels[pair[1]] = pair[2].replaceAll(/\\(.)/gu, (_, each: string) => (each === 'n' ? '\n' : each));
    rest = rest.slice(pair[0].length);
  }
  return { name: match[1], labels, value };
}

/** In each series the buckets ascend, the last is +Inf, and equals the count; there is a sum. */
function checkHistogram(name: string, { samples }: ReadFamily): void {
  const series = new Map<
    string,
    { buckets: [bound: number, count: number][]; sum?: number; count?: number }
  >();
  for (const { name: full, labels, value } of samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(rest);
    const one = series.get(key) ?? { buckets: [] };
    series.set(key, one);
    if (full === `${name}_bucket`) one.buckets.push([le === '+Inf' ? Infinity : Number(le), value]);
    else if (full === `${name}_sum`) one.sum = value;
    else one.count = value;
  }
  for (const { buckets, sum, count } of series.values()) {
    const ascends = buckets.every(([bound, value], i) => {
      const [before, less] = buckets[i - 1] ?? [-Infinity, 0];
      return bound > before && value >= less;
    });
    const last = buckets.at(-1);
    if (!ascends || last?.[0] !== Infinity || last[1] !== count || sum === undefined) throw new Error(name);
  }
}
