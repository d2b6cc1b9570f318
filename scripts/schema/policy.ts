import { SSH_KEY_TYPES } from '../../src/signer/contract/ssh-key.ts';
import { MAX_POINTS } from '../../src/signer/contract/requests.ts';
import { type ADMINISTRATORS_KEYS, MAX_ADMINISTRATORS } from '../../src/signer/policy/administrators.ts';
import {
  MAX_RETIRED,
  type RETIRED_BACKEND_KEYS,
  type RETIRED_KEYS,
} from '../../src/signer/policy/retired.ts';
import { type CAA_KEYS, MAX_CAA, MAX_CLIENTS } from '../../src/signer/policy/read-access.ts';
import {
  type GROUP_KEYS,
  MAX_SERVICES,
  type SERVICE_KEYS,
} from '../../src/signer/policy/read-policy-file.ts';
import {
  type BACKEND_KEYS,
  type LIMIT_KEYS,
  MAX_BACKENDS,
  MAX_PUBLISHERS,
  type MEMBER_KEYS,
  type SHARED_KEYS,
} from '../../src/signer/policy/read-service.ts';
import {
  address,
  file,
  flag,
  list,
  map,
  name,
  named,
  rate,
  type Schema,
  text,
  whole,
  word,
} from './words.ts';

// The readers' own lists of keys are the types here: a key that one side alone has does not compile.
type Keys<List extends readonly string[]> = Readonly<Record<List[number], Schema>>;

const limits: Keys<typeof LIMIT_KEYS> = {
  min_backends: whole(1, MAX_POINTS, 'backends that the points of a descriptor must come from; default 1'),
  points: text('^[1-9][0-9]?\\.\\.[1-9][0-9]?$', 'introduction points in one descriptor; default 3..20'),
  points_per_backend: whole(1, MAX_POINTS, 'points of one backend; default 20'),
  requests: rate('signed requests of one publisher in an hour; default 60/h'),
  point_sets: rate('different sets of points in an hour; default 12/h'),
};

const caa: Keys<typeof CAA_KEYS> = {
  flags: { enum: [0, 128] },
  tag: word('^[a-z0-9]{1,15}$'),
  value: word('^[ !#-[\\]-~]{0,255}$'),
};

const backend: Keys<typeof BACKEND_KEYS> = {
  address: address(),
  enabled: flag('false: proves nothing, as if it were absent'),
};

const shared: Keys<typeof SHARED_KEYS> = {
  publishers: {
    ...list(name(), MAX_PUBLISHERS),
    uniqueItems: true,
    description: 'who may ask, by their names in signer.yaml',
  },
  enabled: flag('false answers as if the service did not exist; default true'),
  single_onion: flag('writes single-onion-service; default false'),
  limits: map(limits),
  caa: {
    ...list(map(caa, ['flags', 'tag', 'value']), MAX_CAA),
    uniqueItems: true,
    description: 'RFC 8659, RFC 9799',
  },
  caa_critical: flag('an authority that cannot read the inner layer must not certify; default false'),
};

const member: Keys<typeof MEMBER_KEYS> = {
  address: address('the onion address of the service, with .onion'),
  backends: named({ anyOf: [address(), map(backend, ['address'])] }, MAX_BACKENDS),
  clients: named(text('^(?:descriptor:x25519:)?[a-zA-Z2-7]{52}$'), MAX_CLIENTS),
  ...shared,
};

const service: Keys<typeof SERVICE_KEYS> = {
  service: name('its name in logs, status and requests'),
  ...member,
};

const group: Keys<typeof GROUP_KEYS> = {
  services: named(map(member, ['address', 'backends']), MAX_SERVICES),
  ...shared,
};

/** A file of `policies/`: a service, or a group with `services`. */
export const serviceSchema = file('A policy of onion-signer', {
  type: 'object',
  if: { required: ['services'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: map(group, ['services']),
  else: map(service, ['service', 'address', 'backends']),
});

export const defaultsSchema = file('_defaults.yaml of onion-signer', map(shared));

const people = `^(?:${SSH_KEY_TYPES.map(type => type.replaceAll('.', '\\.')).join('|')}) `;
const administrators: Keys<typeof ADMINISTRATORS_KEYS> = {
  administrators: {
    ...named(text(people), MAX_ADMINISTRATORS),
    description: 'a name and the line of a .pub file each',
  },
  threshold: whole(1, MAX_ADMINISTRATORS, 'so many of them sign each policy'),
  threshold_loosening: whole(1, MAX_ADMINISTRATORS, 'so many one that loosens; default as `threshold`'),
};

export const administratorsSchema = file(
  '_administrators.yaml of onion-signer',
  map(administrators, ['administrators', 'threshold']),
);

const retiredBackend: Keys<typeof RETIRED_BACKEND_KEYS> = {
  address: address(),
  may_return: flag('true: the address may be a backend again, and may leave the list'),
};

const retired: Keys<typeof RETIRED_KEYS> = {
  retired: {
    ...named({ anyOf: [address(), map(retiredBackend, ['address'])] }, MAX_RETIRED),
    minProperties: 0,
    description: 'addresses that no backend may have again',
  },
};

export const retiredSchema = file('_retired.yaml of onion-signer', map(retired, ['retired']));
