import { parseOnionAddress, timePeriod } from '../../../src/descriptor/index.ts';
import { backendDescriptor, newRequestId } from '../../e2e/daemon/backends.ts';
import { ask } from '../../e2e/daemon/http.ts';
import { type Attack, mustHold, mustRefuse } from '../attack.ts';

const CERT = /descriptor-signing-key-cert\n-----BEGIN ED25519 CERT-----\n[^-]*-----END ED25519 CERT-----\n/u;
const FIELDS = ['kpHsDescSign', 'certificate', 'text', 'bytes', 'period', 'revisionCounter', 'variant'];
const DOORS = ['/v1/sign', '/v1/certificates', '/v1/periods', '/policy', '/audit', '/fence'];

/** A signing key of the thief: nothing certifies it, and a true certificate does not help without its own key. */
export const ownKey: Attack = {
  ids: ['K2', 'K3', 'P5'],
  title: 'a descriptor under a key of the thief',
  run: async thief => {
    const request = await thief.honestRequest();
    for (const field of FIELDS) {
      const body = { ...request, id: newRequestId(), [field]: 'A'.repeat(43) };
      mustRefuse(`the field ${field}`, await thief.askPatiently(body), 'REQUEST_SCHEMA');
    }
    for (const path of DOORS) {
      const answer = await ask(thief.stage.socket, { path, body: '{}' });
      mustRefuse(path, answer, 'NOT_FOUND');
    }
    const { descriptors } = await thief.honest();
    const [newest] = descriptors;
    const [directory] = await thief.directories();
    if (newest === undefined || directory === undefined) throw new Error('there is no text, or no directory');
    const kpHsId = parseOnionAddress(thief.stage.address);
    const period = timePeriod(thief.profile, newest.period.periodNum);
    const certificate = CERT.exec(newest.text)?.[0] ?? '';
    const counter = 2n ** 64n - 1n;
    const editOuter = (text: string): string => text.replace(CERT, certificate);
    const own = backendDescriptor(thief.profile, 'thief', { kpHsId, period, counter });
    const stolen = backendDescriptor(thief.profile, 'thief', { kpHsId, period, counter, editOuter });
    const outcomes: string[] = [];
    for (const { text } of [own, stolen]) outcomes.push(await thief.upload(text, directory));
    mustHold(!outcomes.includes('uploaded'), `a directory took a forged text (${outcomes.join(', ')})`);
    return `no field and no door for it; directories: ${outcomes.join(', ')}`;
  },
};
