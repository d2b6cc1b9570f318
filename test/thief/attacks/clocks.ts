import { newRequestId } from '../../e2e/daemon/backends.ts';
import { type Attack, mustRefuse } from '../attack.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
/** By how much the clock is off, and what it is called when every backend says so. */
const MOVED = [
  [6 * HOUR, 'CLOCK-AHEAD'],
  [3 * DAY, 'CLOCK-AHEAD'],
  [-DAY, 'CLOCK-BEHIND'],
] as const;

/** Evidence of other hours, and clocks that lie: evidence dates itself, and every backend is a witness. */
export const clocks: Attack = {
  ids: ['E2', 'E3', 'T1', 'T2'],
  title: 'old evidence, evidence of the future, and a moved clock',
  run: async thief => {
    const vault = await thief.vault();
    const { home } = vault;
    await vault.honest();
    for (const age of [5 * HOUR, -2 * HOUR]) {
      mustRefuse(`evidence ${age} s old`, await home.ask(vault.request(age)), 'EVIDENCE-AGE');
    }
    await home.sign(vault.request(2 * HOUR));
    // Fresh when it was received, too old when it is to be signed for.
    const cached = vault.request();
    await home.sign(cached);
    await vault.moveClock(4 * HOUR);
    const later = { ...cached, id: newRequestId(), evidence: [] };
    // All that was named grew old together, as it does when the clock runs ahead.
    const ends = [`grown old: ${mustRefuse('evidence that grew old', await home.ask(later), 'CLOCK-AHEAD')}`];
    for (const [seconds, wanted] of MOVED) {
      await vault.moveClock(seconds);
      const refusal = mustRefuse(`a clock moved by ${seconds} s`, await home.ask(vault.request()), wanted);
      ends.push(`${seconds} s: ${refusal}`);
    }
    await vault.moveClock(0);
    await vault.honest();
    return `EVIDENCE-AGE; ${ends.join(', ')}; with the clock put right the signer serves again`;
  },
};

/** The disk is put back to an older day: the publisher shows the newer checkpoint, and nothing is signed any more. */
export const rollback: Attack = {
  ids: ['R3'],
  title: 'a signer’s disk put back to yesterday',
  run: async thief => {
    const vault = await thief.vault();
    const { home } = vault;
    const { checkpoint } = await vault.honest();
    await vault.putBack();
    const refusal = mustRefuse(
      'an echo',
      await home.ask({ ...vault.request(), checkpoint }),
      'CHECKPOINT_AHEAD',
    );
    mustRefuse('what follows', await home.ask(vault.request()), 'CHECKPOINT_AHEAD');
    return refusal;
  },
};
