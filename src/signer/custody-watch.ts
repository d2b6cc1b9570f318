import type { StatusAnswer } from './contract/requests.ts';
import type { SignerLog } from './program/log.ts';
import { canReachSwap, isAlarm } from './status.ts';

/** Tells the log when the breaker or an alarm changes, or whether memory is locked, once each time. */
export class CustodyWatch {
  readonly #log: SignerLog;
  readonly #nextStep: (code: string) => string;
  #breaker = '';
  #isMemoryLocked = true;
  /** Codes by service. */
  readonly #alarms = new Map<string, string>();

  /** `nextStep` says what to do about a code. */
  constructor(log: SignerLog, nextStep: (code: string) => string) {
    this.#log = log;
    this.#nextStep = nextStep;
  }

  /** `status` is the operator's. */
  note(status: StatusAnswer): void {
    const { breaker, services } = status;
    const isMemoryLocked = !canReachSwap(status);
    if (this.#isMemoryLocked && !isMemoryLocked) this.#log.unlockedMemory();
    this.#isMemoryLocked = isMemoryLocked;
    const code = breaker?.code ?? '';
    if (code !== this.#breaker) {
      if (code === '') this.#log.event('custody breaker closed');
      else this.#log.event('custody breaker open', { code });
    }
    this.#breaker = code;
    for (const service of services) {
      const told = this.#alarms.get(service.service);
      const alarm = isAlarm(service) ? service.code : undefined;
      if (alarm === told) continue;
      if (alarm === undefined) {
        this.#alarms.delete(service.service);
        this.#log.event('custody alarm over', { service: service.service });
      } else {
        this.#alarms.set(service.service, alarm);
        this.#log.custodyAlarm(service.service, alarm, this.#nextStep(alarm), service.certifiedUntil ?? 0);
      }
    }
  }
}
