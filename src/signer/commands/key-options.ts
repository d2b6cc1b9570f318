import { InvalidArgumentError } from 'commander';
import { NAME_PATTERN } from '../contract/name.ts';

/** For options that may be given several times. */
export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** For the argument that names a service. */
export function checkServiceName(name: string): string {
  if (!new RegExp(NAME_PATTERN).test(name))
    throw new InvalidArgumentError('use lower-case letters, digits and hyphens');
  return name;
}
