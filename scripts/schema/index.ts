import { administratorsSchema, defaultsSchema, retiredSchema, serviceSchema } from './policy.ts';
import { publisherSchema, signerSchema } from './programs.ts';
import type { Schema } from './words.ts';

/** What stands in policies/schema/, by the name of the file. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  'service.json': serviceSchema,
  'defaults.json': defaultsSchema,
  'administrators.json': administratorsSchema,
  'retired.json': retiredSchema,
  'signer.json': signerSchema,
  'publisher.json': publisherSchema,
};

export const renderSchema = (schema: Schema): string => `${JSON.stringify(schema, undefined, 2)}\n`;
