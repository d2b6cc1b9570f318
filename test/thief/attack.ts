import type { Problem } from '../../src/signer/contract/requests.ts';
import type { HttpAnswer } from '../e2e/daemon/http.ts';
import type { Thief } from './thief.ts';

/** One way to break the promise, tried on real processes. */
export interface Attack {
  /** Rows of docs/attacks.md. */
  readonly ids: readonly string[];
  readonly title: string;
  /** Gives how it ended, in a few words. Throws AttackSucceeded when that is not how it must end. */
  readonly run: (thief: Thief) => Promise<string>;
}

/** The promise was broken, or something was refused for another reason than the one it must be refused for. */
export class AttackSucceeded extends Error {
  override readonly name = 'AttackSucceeded';
}

/** Throws AttackSucceeded with `what` unless `holds`. */
export function mustHold(holds: boolean, what: string): asserts holds {
  if (!holds) throw new AttackSucceeded(what);
}

/** The rule, or else the code, with which this answer refuses; undefined for one that does not. */
export function refusalOf({ status, body }: HttpAnswer): string | undefined {
  if (status < 400) return undefined;
  const { rule, code } = JSON.parse(body) as Problem;
  return rule ?? code;
}

/** Gives the rule or code of a refusal, which must be one of these. */
export function mustRefuse(what: string, answer: HttpAnswer, ...wanted: readonly string[]): string {
  const refusal = refusalOf(answer);
  if (refusal !== undefined && wanted.includes(refusal)) return refusal;
  throw new AttackSucceeded(
    `${what}: ${refusal ?? `answered with ${answer.status}`}, not ${wanted.join(' or ')}`,
  );
}

/**
 * The attack, and behind it an honest request, which is its positive control and that of the next one: nothing ends well
 * because all is broken. Whoever tries the first one makes an honest request before.
 */
export async function tryAttack(thief: Thief, { run }: Attack): Promise<string> {
  const end = await run(thief);
  await thief.honest();
  return end;
}
