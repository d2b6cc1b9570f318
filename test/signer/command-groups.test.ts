import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { COMMAND_GROUPS, groupsFor } from '../../src/signer/commands/groups.ts';
import type { CommandContext } from '../../src/signer/commands/context.ts';

const context: CommandContext = {
  config: () => {
    throw new Error('no command runs here');
  },
  configPath: () => '',
  command: rest => `onion-signer ${rest}`,
  print: () => undefined,
};
const wordsOf = (args: readonly string[]): string[][] => groupsFor(args).map(({ words }) => [...words]);

describe('the commands of onion-signer', () => {
  it.each(COMMAND_GROUPS)('$words are what their module adds', async ({ words, load }) => {
    const program = new Command();
    (await load())(program, context);
    expect(program.commands.map(command => command.name()).toSorted()).toEqual(words.toSorted());
  });

  it('are loaded by the word behind --config', () => {
    for (const args of [
      ['serve', '--stdio', 'status'],
      ['-c', 'status', 'serve'],
      ['--config', 'status', 'serve'],
      ['--config=status', 'serve'],
    ]) {
      expect(wordsOf(args)).toEqual([['serve']]);
    }
    expect(wordsOf(['config'])).toEqual([['status', 'config']]);
    expect(wordsOf(['--version'])).toEqual([]);
  });

  it('are all there for the help, and to say what there is', () => {
    for (const args of [[], ['help'], ['help', 'serve'], ['--help'], ['sevre'], ['-c'], ['-c', 'a']])
      expect([args, groupsFor(args)]).toEqual([args, COMMAND_GROUPS]);
  });
});
