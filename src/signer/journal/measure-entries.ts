import { Type } from 'typebox';
import { closed, digest, name, unixSeconds } from './entry-fields.ts';

/** The operator's word on one publisher: it is let in no more, or again. */
export const publisherMeasure = <K extends 'evicted' | 'readmitted'>(kind: K) =>
  Type.Object({ kind: Type.Literal(kind), at: unixSeconds(), publisher: name() }, closed);

/** The operator's word on one service: nothing is signed for it, or it is again; or nothing until it is `fenced`. */
export const serviceMeasure = <K extends 'frozen' | 'thawed' | 'fencing'>(kind: K) =>
  Type.Object({ kind: Type.Literal(kind), at: unixSeconds(), service: name() }, closed);

/**
 * Counters of a service's blinded keys: seconds before `floor` are spent, and what is reserved later lies `lead` seconds after its
 * use. Nothing that was reserved before is released any more. Without floors: nothing was spent that could be fenced.
 */
export const FencedSchema = Type.Object(
  {
    kind: Type.Literal('fenced'),
    at: unixSeconds(),
    service: name(),
    floors: Type.Array(
      Type.Object({ kpHsBlindId: digest(), floor: unixSeconds(), lead: unixSeconds() }, closed),
      { maxItems: 512 },
    ),
  },
  closed,
);

export const EvictedSchema = publisherMeasure('evicted');
export const ReadmittedSchema = publisherMeasure('readmitted');
export const FrozenSchema = serviceMeasure('frozen');
export const ThawedSchema = serviceMeasure('thawed');
export const FencingSchema = serviceMeasure('fencing');
