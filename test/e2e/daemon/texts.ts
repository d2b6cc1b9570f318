import {
  openDescriptor,
  type OpenedDescriptor,
  parseOnionAddress,
  timePeriod,
  toHex,
} from '../../../src/descriptor/index.ts';
import type { SignAnswer, SignedDescriptor } from '../../../src/signer/contract/requests.ts';
import type { SignerHome } from './home.ts';

/** Opens a text of `frontpage` as a client would at its time; `open` may be another implementation. */
export function openText(
  home: SignerHome,
  { text, period, useFrom }: SignedDescriptor,
  open = openDescriptor,
): OpenedDescriptor {
  return open(Buffer.from(text, 'latin1'), {
    kpHsId: parseOnionAddress(home.address('frontpage')),
    periods: [timePeriod(home.profile, period.periodNum)],
    nowSeconds: useFrom,
  });
}

/** Period → the certified KP_hs_desc_sign, in hex. */
export const certifiedKeys = (
  home: SignerHome,
  { descriptors }: Pick<SignAnswer, 'descriptors'>,
): Map<number, string> =>
  new Map(descriptors.map(each => [each.period.periodNum, toHex(openText(home, each).kpHsDescSign)]));

/** The keys of two answers for the periods that both have; none when they have none in common. */
export function commonKeys(
  home: SignerHome,
  first: Pick<SignAnswer, 'descriptors'>,
  second: Pick<SignAnswer, 'descriptors'>,
): [string[], string[]] {
  const [one, other] = [certifiedKeys(home, first), certifiedKeys(home, second)];
  const periods = [...one.keys()].filter(periodNum => other.has(periodNum));
  const keysOf = (keys: Map<number, string>): string[] =>
    periods.flatMap(periodNum => keys.get(periodNum) ?? []);
  return [keysOf(one), keysOf(other)];
}
