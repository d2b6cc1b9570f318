import type { SignRequest } from '../../src/signer/contract/requests.ts';
import { backendDescriptor, pointsOf, signRequest } from '../e2e/daemon/backends.ts';
import type { Neighbour } from '../e2e/stage.ts';
import type { Thief } from './thief.ts';

/** A request for a neighbour that every rule allows: two points of its first backend, one of the second. */
export function neighbourRequest(
  { profile }: Pick<Thief, 'profile'>,
  { service, backends }: Neighbour,
): SignRequest {
  const [first, second] = backends.map(label => backendDescriptor(profile, label));
  if (first === undefined || second === undefined) throw new Error('a neighbour has two backends');
  return signRequest(service, [first, second], pointsOf([first, 0, 1], [second, 0]));
}
