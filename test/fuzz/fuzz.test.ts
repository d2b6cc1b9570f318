import { describe, expect, test } from 'vitest';
import { decodeBase64 } from '../../src/descriptor/index.ts';
import { parseNetdoc } from '../../src/descriptor/netdoc.ts';
import { Campaign, type Finding, runOnce } from './campaign.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import { formerFindings, latin1, utf8 } from './seeds.ts';
import { type Target, Violation, demand } from './target.ts';
import { TARGETS } from './targets/all.ts';

/** Always the same mutants: what fails here fails everywhere. */
const SEED = 20_700;
/** For a target of cost 1. */
const MUTANTS = 200;

async function findings(target: Target, mutants: number): Promise<{ found: Finding[]; campaign: Campaign }> {
  const campaign = new Campaign(target, SEED);
  const found = await campaign.start();
  for (let i = 0; i < mutants; i++) {
    const finding = await campaign.step();
    if (finding !== undefined) found.push(finding);
  }
  return { found, campaign };
}

function show({ target, iteration, thrown }: Finding): string {
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return `npm run fuzz -- --target ${target} --seed ${SEED}: mutant ${iteration}\n${text}`;
}

describe('every reader takes or refuses what it is given, and what it takes keeps its properties', () => {
  test.each(TARGETS)('$name', async target => {
    const { found, campaign } = await findings(target, Math.ceil(MUTANTS / (target.cost ?? 1)));
    expect(found.map(show)).toEqual([]);
    expect(campaign.tally.taken).toBeGreaterThan(0);
    // Both sides are met, unless the reader has nothing to refuse.
    if (target.codes?.length !== 0) expect(campaign.tally.refused.size).toBeGreaterThan(0);
  });
});

describe('the same machinery finds', () => {
  const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');
  const netdoc: Omit<Target, 'name' | 'run'> = {
    area: 'descriptor',
    shapes: ['lines', 'objects', 'bytes'],
    seeds: () => [
      utf8('hs-descriptor 3\ndescriptor-lifetime 180\nx\n-----BEGIN A-----\nAAAA\n-----END A-----\n'),
    ],
  };
  const broken: readonly (readonly [string, Target, RegExp])[] = [
    [
      'another error than a refusal',
      { ...netdoc, name: 'broken/type-error', run: input => void parseNetdoc(input)[1]!.args[0]!.length },
      /TypeError/u,
    ],
    [
      'a refusal with a code that the reader does not have',
      { ...netdoc, name: 'broken/code', codes: ['BAD_SYNTAX'], run: input => void parseNetdoc(input) },
      /BAD_BASE64|base64|UTF-8/u,
    ],
    [
      'a reader of lax base64',
      {
        ...netdoc,
        name: 'broken/lax',
        seeds: () => [utf8('AAECAw==')],
        run: input => {
          const bytes = Buffer.from(text(input), 'base64');
          demand(bytes.toString('base64') === text(input), 'base64 has one spelling');
        },
      },
      /one spelling/u,
    ],
    [
      'a reader of keywords that forgets a line which stands twice',
      {
        ...netdoc,
        name: 'broken/duplicate',
        run: input => {
          const items = parseNetdoc(input);
          const byKeyword = new Map(items.map(item => [item.keyword, item]));
          demand(byKeyword.size === items.length, 'no line is lost');
        },
      },
      /no line is lost/u,
    ],
    [
      'a reader that writes into its input',
      { ...netdoc, name: 'broken/input', run: input => void input.fill(1, 0, 1) },
      /changed its input/u,
    ],
  ];

  test.each(broken)('%s', async (_, target, message) => {
    const { found } = await findings(target, 400);
    expect(found.length).toBeGreaterThan(0);
    expect(found.map(show).join('\n')).toMatch(message);
    for (const { input, iteration } of found.slice(0, 3)) {
      // What was found is found again from its bytes, and from seed and number.
      await expect(runOnce(target, new Uint8Array(input))).rejects.toThrow();
      const again = await findings(target, iteration);
      expect(again.found.at(-1)?.input).toEqual(input);
    }
  });

  test('nothing in the sound reader beside it', async () => {
    const sound: Target = {
      ...netdoc,
      name: 'sound/base64',
      seeds: () => [utf8('AAECAw==')],
      run: input => void decodeBase64(text(input)),
    };
    const { found, campaign } = await findings(sound, 400);
    expect(found.map(show)).toEqual([]);
    expect([...campaign.tally.refused.keys()]).toEqual(['BAD_BASE64']);
  });

  test('that no seed is taken', async () => {
    const never: Target = { ...netdoc, name: 'broken/never', run: () => void decodeBase64('=') };
    await expect(new Campaign(never, SEED).start()).rejects.toThrow('no seed is taken');
    expect(() => demand(false, 'x')).toThrow(Violation);
  });
});

test('mutants follow from the seed', () => {
  const input = utf8('a 1\nb 2\n-----BEGIN X-----\nAAAA\n-----END X-----\n');
  const shapes = ['bytes', 'lines', 'tokens', 'objects', 'cert', 'links'] as const;
  const mutants = (label: string): string[] =>
    Array.from({ length: 200 }, (_, i) => latin1(mutate(input, shapes, new Random(`${label} ${i}`), input)));
  expect(mutants('a')).toEqual(mutants('a'));
  expect(mutants('b')).not.toEqual(mutants('a'));
  expect(new Set(mutants('a')).size).toBeGreaterThan(150);
  expect(latin1(input)).toContain('BEGIN X');
});

test('what was found once stays a seed', () => {
  const names = TARGETS.filter(({ name }) => formerFindings(name).length > 0).map(({ name }) => name);
  expect(names).toContain('publisher/socks');
});
