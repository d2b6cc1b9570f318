import { type Attack, mustHold } from '../attack.ts';

/** Texts of before, handed out again: an honest directory keeps the newer one. */
export const shelfReplay: Attack = {
  ids: ['R4'],
  title: 'an older text after a newer one',
  run: async thief => {
    const [directory] = await thief.directories();
    if (directory === undefined) throw new Error('there is no directory');
    const first = await thief.honest();
    const second = await thief.honest();
    const outcomes: string[] = [];
    for (const newer of second.descriptors) {
      const older = first.descriptors.find(
        each =>
          each.period.periodNum === newer.period.periodNum &&
          BigInt(each.revisionCounter) < BigInt(newer.revisionCounter),
      );
      if (older === undefined) continue;
      const stored = await thief.upload(newer.text, directory);
      mustHold(stored === 'uploaded', `a newer text was not taken (${stored})`);
      outcomes.push(await thief.upload(older.text, directory));
      break;
    }
    mustHold(
      outcomes.length === 1 && !outcomes.includes('uploaded'),
      `an older text was taken (${outcomes.join()})`,
    );
    return `the directory answers ${outcomes.join(', ')}`;
  },
};
