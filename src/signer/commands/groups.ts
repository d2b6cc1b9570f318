import type { Command } from 'commander';
import type { CommandContext } from './context.ts';

type AddCommands = (program: Command, context: CommandContext) => void;

/** Commands that are loaded together: the words that they begin with, and what adds them. */
export interface CommandGroup {
  readonly words: readonly string[];
  readonly load: () => Promise<AddCommands>;
}

/** Every command, in the order of the help. Each group is loaded only where it is asked for. */
export const COMMAND_GROUPS: readonly CommandGroup[] = [
  { words: ['init'], load: async () => (await import('./init.ts')).addInitCommand },
  { words: ['key'], load: async () => (await import('./key.ts')).addKeyCommands },
  { words: ['token'], load: async () => (await import('./token.ts')).addTokenCommands },
  { words: ['pin'], load: async () => (await import('./pin.ts')).addPinCommands },
  { words: ['policy'], load: async () => (await import('./policy.ts')).addPolicyCommands },
  {
    words: ['evict', 'readmit', 'fence', 'freeze', 'thaw'],
    load: async () => (await import('./measures.ts')).addMeasureCommands,
  },
  { words: ['tls'], load: async () => (await import('./tls.ts')).addTlsCommand },
  { words: ['serve'], load: async () => (await import('./serve.ts')).addServeCommand },
  { words: ['status', 'config'], load: async () => (await import('./look.ts')).addLookCommands },
  { words: ['audit'], load: async () => (await import('./audit.ts')).addAuditCommands },
];

/** The group of the command in `args`, or all of them: for the help, and to say what there is. */
export function groupsFor(args: readonly string[]): readonly CommandGroup[] {
  const word = commandOf(args);
  if (word === '-V' || word === '--version') return [];
  const group = COMMAND_GROUPS.find(({ words }) => words.some(one => one === word));
  return group === undefined ? COMMAND_GROUPS : [group];
}

/** The first word behind `--config FILE`. Other options before a command end with the help or an error. */
function commandOf([first, ...rest]: readonly string[]): string | undefined {
  if (first === '-c' || first === '--config') return commandOf(rest.slice(1));
  return first?.startsWith('--config=') === true ? commandOf(rest) : first;
}
