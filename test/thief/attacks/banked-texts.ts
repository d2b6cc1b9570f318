import {
  DescriptorError,
  openDescriptor,
  parseDescriptor,
  parseOnionAddress,
  timePeriod,
} from '../../../src/descriptor/index.ts';
import type { StatusAnswer } from '../../../src/signer/contract/requests.ts';
import { nowSeconds } from '../../e2e/daemon/backends.ts';
import { type Attack, mustHold } from '../attack.ts';

/** Unix seconds. */
const expiryOf = (text: string): number =>
  parseDescriptor(Buffer.from(text, 'latin1')).cert.expiryHours * 3600;

/** Everything the thief was ever given is worth nothing after the exposure that `status` prints. */
export const bankedTexts: Attack = {
  ids: ['R4'],
  title: 'texts kept for later',
  run: async thief => {
    const { descriptors } = await thief.honest();
    const { stdout } = await thief.stage.onionSigner('status', '--json');
    const { services } = JSON.parse(stdout) as StatusAnswer;
    const { exposureEnd } = services.find(({ service }) => service === thief.stage.service) ?? {};
    mustHold(exposureEnd !== undefined, '`status` prints no exposure');
    const kpHsId = parseOnionAddress(thief.stage.address);
    const opens = (text: string, periodNum: number, at: number): boolean => {
      const periods = [timePeriod(thief.profile, periodNum)];
      try {
        return (
          openDescriptor(Buffer.from(text, 'latin1'), { kpHsId, periods, nowSeconds: at }).inner !== undefined
        );
      } catch (thrown) {
        if (thrown instanceof DescriptorError) return false;
        throw thrown;
      }
    };
    // Of every text the certificate, of the newest the whole.
    const late = thief.banked.filter(({ text }) => expiryOf(text) > exposureEnd);
    mustHold(late.length === 0, `${late.length} certificates outlive the exposure`);
    const newest = descriptors.filter(each => opens(each.text, each.period.periodNum, nowSeconds()));
    mustHold(newest.length > 0, 'no text of the thief opens now');
    const left = newest.filter(each => opens(each.text, each.period.periodNum, exposureEnd + 1));
    mustHold(left.length === 0, `${left.length} texts open after the exposure`);
    const hours = Math.round((exposureEnd - nowSeconds()) / 3600);
    return `none of ${thief.banked.length} counts after the ${hours} hours of exposure that status prints`;
  },
};
