import { type Attack, tryAttack } from '../test/thief/attack.ts';
import { counterRace } from '../test/thief/attacks/counter-race.ts';
import { mixedBlock } from '../test/thief/attacks/mixed-block.ts';
import { ownKey } from '../test/thief/attacks/own-key.ts';
import { ownPoint } from '../test/thief/attacks/own-point.ts';
import { partition } from '../test/thief/attacks/partition.ts';
import { steering } from '../test/thief/attacks/steering.ts';
import { expectSuccess, type Stage } from '../test/e2e/stage.ts';
import { Thief } from '../test/thief/thief.ts';
import type { Progress } from './progress.ts';

/** What the thief tries here; `npm test` tries all of test/thief. */
const ATTACKS: readonly Attack[] = [ownPoint, mixedBlock, ownKey, steering, counterRace, partition];

/** One attack and the rule, number or words with which it ended. */
export interface AttackVerdict {
  readonly attack: string;
  readonly end: string;
}

/** What the second act showed. */
export interface SecondAct {
  readonly attacks: readonly AttackVerdict[];
  /** The verdict of `audit verify`. */
  readonly audit: string;
}

/**
 * The publisher's host is taken over, six attacks are made from it, an honest request behind each is still served, and
 * the owner proves from the journal what was signed. Throws when one of them does not end as it must.
 */
export async function showTheThief(stage: Stage, progress: Progress): Promise<SecondAct> {
  progress.step('a thief takes the publisher’s host and asks for what it must not get');
  const thief = await Thief.enter(stage);
  await thief.silencePublisher();
  const attacks: AttackVerdict[] = [];
  try {
    await thief.honest();
    for (const attack of ATTACKS) attacks.push({ attack: attack.title, end: await tryAttack(thief, attack) });
  } finally {
    await thief.leave();
  }
  progress.step('the owner proves from the journal what was signed (audit verify)');
  const said = expectSuccess(
    'audit verify',
    await stage.onionSigner('audit', 'verify', '--address', stage.address),
  );
  return { attacks, audit: (said.trim().split('\n').at(-1) ?? '').replace(/^verdict\s+/u, '') };
}
