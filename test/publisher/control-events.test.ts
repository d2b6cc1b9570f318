import { describe, expect, it } from 'vitest';
import { parseControlEvent } from '../../src/publisher/control/events.ts';
import type { ReplyLine } from '../../src/publisher/control/grammar.ts';

const ADDRESS = 'a'.repeat(56);
const FINGERPRINT = '0123456789ABCDEF0123456789ABCDEF01234567';
const BLINDED = 'MDWqUbgzhmRJCrhBHX4A0NpGPvVIqHTgoNsUmiQU6JQ';

function event(text: string, data?: string) {
  const first: ReplyLine = data === undefined ? { text } : { text, data };
  return parseControlEvent({ status: 650, lines: data === undefined ? [first] : [first, { text: 'OK' }] });
}

describe('HS_DESC', () => {
  it('FAILED names directory, blinded key and reason.', () => {
    const text = `HS_DESC FAILED ${ADDRESS} NO_AUTH $${FINGERPRINT}~relay1 ${BLINDED} REASON=NOT_FOUND`;
    expect(event(text)).toEqual({
      type: 'HS_DESC',
      action: 'FAILED',
      address: ADDRESS,
      hsDir: { fingerprint: FINGERPRINT, nickname: 'relay1' },
      kpHsBlindId: BLINDED,
      reason: 'NOT_FOUND',
    });
  });

  it('UPLOADED has no blinded key, and tor says UNKNOWN for what it does not know.', () => {
    const uploaded = event(`HS_DESC UPLOADED ${ADDRESS} UNKNOWN $${FINGERPRINT}`);
    expect(uploaded).toMatchObject({ hsDir: { fingerprint: FINGERPRINT }, kpHsBlindId: undefined });
    const unknown = event('HS_DESC UPLOADED UNKNOWN UNKNOWN UNKNOWN');
    expect(unknown).toMatchObject({ address: undefined, hsDir: undefined });
  });

  it('with an action of a newer tor is passed over; one without its parts is an error.', () => {
    expect(event(`HS_DESC REPLICATED ${ADDRESS}`)).toBeUndefined();
    expect(() => event(`HS_DESC UPLOADED ${ADDRESS}`)).toThrow(
      expect.objectContaining({ code: 'CONTROL_SYNTAX' }),
    );
    expect(() => event(`HS_DESC UPLOADED ${ADDRESS} UNKNOWN relay1`)).toThrow(
      expect.objectContaining({ code: 'CONTROL_SYNTAX' }),
    );
  });
});

describe('HS_DESC_CONTENT', () => {
  const head = `HS_DESC_CONTENT ${ADDRESS} ${BLINDED} $${FINGERPRINT}~relay1`;

  it('carries the text as tor got it.', () => {
    expect(event(head, 'hs-descriptor 3\nx\n')).toMatchObject({
      address: ADDRESS,
      kpHsBlindId: BLINDED,
      text: 'hs-descriptor 3\nx\n',
    });
  });

  it('of a failed fetch is empty.', () => {
    expect(event(head, '\n')).toMatchObject({ text: '' });
    expect(event(head, '')).toMatchObject({ text: '' });
  });

  it('without data is an error.', () => {
    expect(() => event(head)).toThrow(expect.objectContaining({ code: 'CONTROL_SYNTAX' }));
  });
});

describe('Other events', () => {
  it('STATUS_CLIENT has severity, action and keywords.', () => {
    const status = event('STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="All done"');
    expect(status).toMatchObject({ severity: 'NOTICE', action: 'BOOTSTRAP' });
    if (status?.type !== 'STATUS_CLIENT') throw new Error('not reached');
    expect(status.keywords.get('SUMMARY')).toBe('All done');
    expect(() => event('STATUS_CLIENT NOTICE')).toThrow(expect.objectContaining({ code: 'CONTROL_SYNTAX' }));
  });

  it('NEWCONSENSUS and SIGNAL are read, unknown ones passed over.', () => {
    expect(event('NEWCONSENSUS', 'r x\n')).toEqual({ type: 'NEWCONSENSUS', routerStatuses: 'r x\n' });
    expect(event('SIGNAL NEWNYM')).toEqual({ type: 'SIGNAL', signal: 'NEWNYM' });
    expect(event('CIRC 1 BUILT')).toBeUndefined();
  });
});
