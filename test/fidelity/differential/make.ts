import type { Bytes, CaaRecord, KpHsId, NetworkProfile } from '../../../src/descriptor/index.ts';
import { encodeIntroductionPoint } from '../../../src/descriptor/introduction-point.ts';
import { innerCertExpiryHours, srvRunStart } from '../../../src/descriptor/time.ts';
import { type Forgery, forge, makePoint, noise } from '../../descriptor/forge.ts';
import type { Context } from '../strictness-cases.ts';
import { CERT_KINDS, descSigner } from './cert-kinds.ts';
import { LAYER_KINDS } from './layer-kinds.ts';
import { type Draw, type Kind, type Level, type Mutation, drawsOf, pick } from './mutant.ts';
import { OUTER_KINDS } from './outer-kinds.ts';
import { POINT_KINDS } from './point-kinds.ts';
import { textKinds } from './text-kinds.ts';

const LEVELS: readonly Level[] = ['outer', 'middle', 'inner', 'point'];
const MAX_POINTS = 20;

/** Every class of mutations. */
export const KINDS: readonly Kind[] = [
  ...OUTER_KINDS,
  ...LAYER_KINDS,
  ...POINT_KINDS,
  ...CERT_KINDS,
  ...LEVELS.flatMap(textKinds),
];

/** The descriptor that a mutation changes. */
export interface Base {
  /** 1 to 20; a mutant of a point is one of them, the last. */
  readonly points: number;
  /** Private keys of authorized clients. */
  readonly clients: readonly Bytes[];
  readonly flowControl: boolean;
  readonly caa: readonly CaaRecord[];
  readonly singleOnion: boolean;
  /** Lines that nobody knows, in every layer. */
  readonly unknown: boolean;
}

/** One mutant, not yet made: it is made for a moment and under an identity of its own. */
export interface Mutant {
  readonly serial: number;
  readonly kind: Kind;
  readonly base: Base;
  readonly seed: string;
}

/** A mutant as bytes, with what opens it. */
export interface Made extends Context {
  readonly text: Bytes;
  readonly kpHsId: KpHsId;
  /** A client's private key. */
  readonly client: Bytes | undefined;
  readonly descriptorCookie: Bytes | undefined;
  /** The mutation's parameter: the numbers that it drew. */
  readonly drawn: readonly number[];
}

/** The first `count` mutants of a seed: every kind in turn, each on a base of its own. */
export function makeMutants(seed: string, count: number): Mutant[] {
  return Array.from({ length: count }, (_, serial) => {
    const draw = drawsOf(`base ${seed} ${serial}`);
    const kind = KINDS[serial % KINDS.length]!;
    const base = makeBase(draw, `${seed} ${serial}`);
    return { serial, kind, base: kind.unrestricted === true ? { ...base, clients: [] } : base, seed };
  });
}

function makeBase(draw: Draw, label: string): Base {
  const clients = pick(draw, [0, 0, 0, 1, 2, 16, 17, 30]);
  return {
    points: 1 + draw(MAX_POINTS),
    clients: Array.from({ length: clients }, (_, index) => noise(`${label} client ${index}`, 32)),
    flowControl: draw(4) > 0,
    caa: pick<readonly CaaRecord[]>(draw, [[], [], [{ flags: 128, tag: 'issue', value: 'x.example' }]]),
    singleOnion: draw(8) === 0,
    unknown: draw(4) === 0,
  };
}

/**
 * The bytes of a mutant. With `crowded`, a mutant of a point stands behind 20 good points: tor refuses more than 20
 * that it can use, so that what it does with one point shows.
 */
export function build(mutant: Mutant, context: Context, profile: NetworkProfile, crowded = false): Made {
  const { kind, base, seed, serial } = mutant;
  const { label, period, at } = context;
  const drawn: number[] = [];
  const mutation = kind.mutate(drawsOf(`${seed} ${serial}`, drawn), context);
  const isPoint = kind.level === 'point';
  const points = crowded ? MAX_POINTS : base.points - Number(isPoint && base.points > 1);
  const { text, kpHsId, parts } = forge({
    ...context,
    points,
    clients: base.clients.length === 0 ? undefined : base.clients,
    counter: 40_000n * BigInt(at - srvRunStart(profile, period) + 1),
    inner: {
      singleOnionService: base.singleOnion,
      caa: base.caa,
      ...(base.flowControl ? {} : { flowControl: undefined }),
    },
    ...mutation.forgery,
    ...edits(mutant, mutation, context),
  });
  const finished =
    mutation.finish === undefined ? text : latin1(mutation.finish(Buffer.from(text).toString('latin1')));
  const { descriptorCookie } = parts;
  return { label, period, at, text: finished, kpHsId, client: base.clients[0], descriptorCookie, drawn };
}

function edits({ kind, base }: Mutant, mutation: Mutation, context: Context): Forgery {
  const { edit = (text: string) => text } = mutation;
  const unknown = base.unknown ? 'unknown-here 1\n' : '';
  const at = (level: Level) => (kind.level === level ? edit : (text: string) => text);
  return {
    editOuter: text => at('outer')(text.replace(/^revision-counter/mu, `${unknown}$&`)),
    // The last LF of the middle layer is missing; edits have whole lines.
    editMiddle: text =>
      at('middle')(`${text.replace(/^encrypted$/mu, `${unknown}$&`)}\n`).replace(/\n$/u, ''),
    editInner: text => {
      const start = text.search(/^introduction-point /mu);
      const whole = `${at('inner')(text.slice(0, start) + unknown)}${text.slice(start)}`;
      const last = kind.level === 'point' ? edit(lastSection(mutation, context) + unknown) : '';
      return mutation.inner?.(whole) ?? whole + last;
    },
  };
}

function lastSection({ point }: Mutation, context: Context): string {
  const made = makePoint(`${context.label} last`, descSigner(context), innerCertExpiryHours(context.at));
  return encodeIntroductionPoint(point?.(made) ?? made);
}

function latin1(text: string): Bytes {
  return Buffer.from(text, 'latin1');
}
