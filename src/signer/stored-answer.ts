import { type Static, Type } from 'typebox';
import { sha256, toHex } from '../descriptor/index.ts';
import {
  compileValidator,
  type SignAnswer,
  SignAnswerSchema,
  SignedDescriptorSchema,
} from './contract/requests.ts';
import { parseStrictJson } from './contract/strict-json.ts';

/** An answer before the newest checkpoint is added to it. */
export type UncheckedAnswer = Omit<SignAnswer, 'checkpoint'>;

const { id, service, address, settings } = SignAnswerSchema.properties;
const { text: _, ...descriptor } = SignedDescriptorSchema.properties;
const digest = Type.String({ pattern: '^[0-9a-f]{64}$', maxLength: 64 });

/** An answer as the journal keeps it: each text by the digest under which the archive has it. */
const StoredAnswerSchema = Type.Object(
  {
    id,
    service,
    address,
    settings,
    descriptors: Type.Array(Type.Object({ ...descriptor, digest }, { additionalProperties: false })),
  },
  { additionalProperties: false },
);

const checkStored = compileValidator(StoredAnswerSchema);

/** An answer → what the journal keeps of it, as JSON. */
export function encodeStoredAnswer({ descriptors, ...head }: UncheckedAnswer): string {
  const stored: Static<typeof StoredAnswerSchema> = {
    ...head,
    descriptors: descriptors.map(({ text, ...rest }) => ({
      ...rest,
      digest: toHex(sha256(Buffer.from(text, 'utf8'))),
    })),
  };
  return JSON.stringify(stored);
}

/** The answer word for word, with texts from the archive (by digest); undefined when one is there no more. */
export function rebuildAnswer(
  stored: string,
  archived: (digest: string) => Uint8Array | undefined,
): UncheckedAnswer | undefined {
  const { descriptors, ...head } = checkStored(parseStrictJson(Buffer.from(stored, 'utf8')));
  const whole: UncheckedAnswer['descriptors'] = [];
  for (const { digest: name, ...rest } of descriptors) {
    const bytes = archived(name);
    if (bytes === undefined) return undefined;
    whole.push({ ...rest, text: Buffer.from(bytes).toString('utf8') });
  }
  return { ...head, descriptors: whole };
}
