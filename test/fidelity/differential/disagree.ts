import type { Made } from './make.ts';
import type { OurVerdict, OurVerdicts, StemVerdict } from './readers.ts';
import type { TorVerdict } from './tor-judge.ts';

export type Relation =
  | 'tor takes, we refuse'
  | 'tor refuses, we take'
  | 'stem takes, we refuse'
  | 'stem refuses, we take';

/** What three readers make of one mutant. */
export interface Verdicts {
  readonly serial: number;
  readonly kind: string;
  /** Undefined in synthetic verdicts of tests. */
  readonly made?: Made;
  readonly tor: TorVerdict;
  readonly stem: StemVerdict;
  readonly ours: OurVerdicts;
}

/** Another reader and ours judge one text differently. */
export interface Disagreement {
  readonly relation: Relation;
  /** The outer document alone, or all layers. */
  readonly part: 'outer' | 'whole';
  /** `taken`, or the code with which we refuse. */
  readonly ours: OurVerdict;
  readonly verdicts: Verdicts;
}

/** Why two readers may differ: on which kinds of mutants, and how we refuse when it is we who do. */
export interface Reason {
  readonly id: string;
  readonly relation: Relation;
  readonly kinds: RegExp;
  /** Our codes; for a relation in which we take there is none. */
  readonly codes?: readonly OurVerdict[];
  /** Looks at the bytes where the kind does not say enough, as of random ones. */
  readonly when?: (made: Made) => boolean;
  /** One sentence. */
  readonly why: string;
}

/** Where tor and ours, then stem and ours, part: at the outer document, else at the whole. */
export function disagreementsOf(verdicts: Verdicts): Disagreement[] {
  const { tor, stem, ours } = verdicts;
  // A point that tor leaves out is refused.
  const torWhole = tor.whole === undefined ? undefined : tor.whole && tor.point !== false;
  return [
    ...parting('tor', { outer: tor.outer, whole: torWhole }),
    ...parting('stem', {
      outer: stem.outer,
      whole: tor.whole === undefined && tor.outer ? undefined : stem.whole,
    }),
  ];

  function parting(
    who: 'tor' | 'stem',
    other: { readonly outer: boolean; readonly whole: boolean | undefined },
  ): Disagreement[] {
    for (const part of ['outer', 'whole'] as const) {
      const taken = ours[part] === 'taken';
      if (other[part] === undefined) return [];
      if (other[part] !== taken) {
        const relation: Relation = `${who} ${taken ? 'refuses, we take' : 'takes, we refuse'}`;
        return [{ relation, part, ours: ours[part], verdicts }];
      }
      if (!taken) return [];
    }
    return [];
  }
}

/** The first reason that explains a disagreement. */
export function reasonOf(disagreement: Disagreement, reasons: readonly Reason[]): Reason | undefined {
  const { relation, ours, verdicts } = disagreement;
  return reasons.find(
    reason =>
      reason.relation === relation &&
      reason.kinds.test(verdicts.kind) &&
      (reason.codes?.includes(ours) ?? true) &&
      (reason.when === undefined || (verdicts.made !== undefined && reason.when(verdicts.made))),
  );
}

/** All disagreements: counted by reason, and those that no reason explains. */
export function explain(
  all: readonly Verdicts[],
  reasons: readonly Reason[],
): { readonly counts: ReadonlyMap<string, number>; readonly unexplained: readonly string[] } {
  const counts = new Map<string, number>(reasons.map(({ id }) => [id, 0]));
  const unexplained: string[] = [];
  for (const disagreement of all.flatMap(disagreementsOf)) {
    const reason = reasonOf(disagreement, reasons);
    if (reason === undefined) unexplained.push(describe(disagreement));
    else counts.set(reason.id, (counts.get(reason.id) ?? 0) + 1);
  }
  return { counts, unexplained };
}

function describe({ relation, part, ours, verdicts }: Disagreement): string {
  const { serial, kind, made, stem } = verdicts;
  const drawn = made?.drawn.join(' ') ?? '';
  return `${serial} ${kind} [${drawn}]: ${relation} (${part}, ${ours}, ${stem.exception ?? 'no exception'})`;
}
