import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SignerConfig } from '../config.ts';
import { writeDurably } from '../program/durable-file.ts';
import type { Backups, RecipientState, Verified } from './backup-text.ts';
import { readHeld, recipientNames } from './held-envelope.ts';

/** Recipient's name (a key tag, `age1…`, or `copy:` and a path) → its last success. */
export type BackupRecord = ReadonlyMap<string, Verified>;

/** Beside the envelope. It says nothing secret and is believed by nobody but the reader of a list. */
const recordPath = (config: SignerConfig, service: string): string =>
  join(config.envelopes, `${service}.verified.json`);

export const fileDigest = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex');

/** Empty when there is none or it cannot be read: then nothing counts as verified. */
export function readRecord(config: SignerConfig, service: string): BackupRecord {
  const record = new Map<string, Verified>();
  try {
    const read: unknown = JSON.parse(readFileSync(recordPath(config, service), 'utf8'));
    if (typeof read !== 'object' || read === null) return record;
    for (const [name, value] of Object.entries(read)) if (isVerified(value)) record.set(name, value);
  } catch {
    // No success is known.
  }
  return record;
}

function isVerified(value: unknown): value is Verified {
  if (typeof value !== 'object' || value === null || !('at' in value) || !('file' in value)) return false;
  return Number.isSafeInteger(value.at) && typeof value.file === 'string';
}

/** Notes successes; what is known of others stays. */
export function noteVerified(
  config: SignerConfig,
  service: string,
  successes: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): void {
  const record = new Map(readRecord(config, service));
  const at = Math.floor(Date.now() / 1000);
  for (const { name, bytes } of successes) record.set(name, { at, file: fileDigest(bytes) });
  const text = `${JSON.stringify(Object.fromEntries(record), undefined, 2)}\n`;
  writeDurably(recordPath(config, service), Buffer.from(text), 0o600);
}

/** What is known of the backups of these services; one whose envelope cannot be read here is left out. */
export function readBackups(config: SignerConfig, services: readonly string[]): Backups {
  const backups = new Map<string, RecipientState[]>();
  for (const service of services) {
    try {
      const names = recipientNames(readHeld(config, service).header);
      const record = readRecord(config, service);
      const copies = [...record.keys()].filter(name => name.startsWith('copy:'));
      const states = [...names, ...copies].map(name => {
        const verified = record.get(name);
        return { name, ...(verified === undefined ? {} : { verified }) };
      });
      backups.set(service, states);
    } catch {
      // The signer says what it lacks; whoever asks may not be the one who reads envelopes.
    }
  }
  return backups;
}
