import { NAME_PATTERN } from '../../src/signer/contract/name.ts';

/** The pieces that our schemas are made of: JSON Schema draft 7, which editors read best. */

export interface Schema {
  readonly [keyword: string]: unknown;
}

/** A closed map with exactly these keys. */
export const map = <Key extends string>(
  properties: Readonly<Record<Key, Schema>>,
  required: readonly Key[] = [],
): Schema => ({ type: 'object', properties, required, additionalProperties: false });

/** A map whose keys are names of the operator's. */
export const named = (values: Schema, maxProperties: number): Schema => ({
  type: 'object',
  propertyNames: { pattern: NAME },
  additionalProperties: values,
  minProperties: 1,
  maxProperties,
});

export const list = (items: Schema, maxItems: number): Schema => ({
  type: 'array',
  items,
  minItems: 1,
  maxItems,
});

/** Text of a form that no number and no `true` has. */
export const text = (pattern: string, description?: string): Schema => ({
  type: 'string',
  pattern,
  ...(description === undefined ? {} : { description }),
});

/** Text that may look like a number or like `true`: to the reader it is text too, an editor takes it for something else. */
export const word = (pattern: string, description?: string): Schema => ({
  ...text(pattern, description),
  type: ['string', 'number', 'boolean'],
});

export const flag = (description: string): Schema => ({ type: 'boolean', description });

export const whole = (minimum: number, maximum: number, description?: string): Schema => ({
  type: 'integer',
  minimum,
  maximum,
  ...(description === undefined ? {} : { description }),
});

export const NAME = NAME_PATTERN;
export const name = (description?: string): Schema => word(NAME, description);
export const address = (description?: string): Schema => text('^[a-z2-7]{56}(?:\\.onion)?$', description);
export const rate = (description: string): Schema => text('^[1-9][0-9]{0,3}/h$', description);
export const duration = (description: string): Schema => text('^[1-9][0-9]{0,8}(?:s|min|h|d)$', description);
export const size = (description: string): Schema =>
  text('^[1-9][0-9]{0,8}(?:KiB|MiB|GiB|TiB)$', description);
export const absolutePath = (description: string): Schema => text('^/[ -~]*$', description);
export const listen = (description: string): Schema =>
  text('^(?:\\[[0-9a-fA-F:.]+\\]|[0-9.]+):[1-9][0-9]{0,4}$', description);

/** A whole file. */
export const file = (title: string, schema: Schema): Schema => ({
  $schema: 'http://json-schema.org/draft-07/schema#',
  title,
  ...schema,
});
