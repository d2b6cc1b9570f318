import { DEFAULT_LIMITS } from '../types.ts';
import type { RuleRow } from './row.ts';

const EVALUATE = 'test/signer/policy/evaluate.test.ts';
const LIMITS = 'test/pkcs11/keyholder-limits.test.ts';

/** Who may ask, how often, and for how much. */
export const REQUEST_ROWS: readonly RuleRow[] = [
  {
    id: 'PUBLISHER-SERVICE',
    enforcers: ['core'],
    parameter: 'publishers',
    default: 'none',
    paragraph:
      'A publisher asks only for services whose policy names it and that are enabled. A forbidden service ' +
      'answers exactly as one that does not exist.',
    advice: 'name the publisher under `publishers` of the service, or ask for another service',
    functions: ['src/signer/policy/rules.ts#checkPublisher'],
    accepts: { file: EVALUATE, title: 'is approved with its whole points in the order asked for' },
    refuses: { file: EVALUATE, title: 'denies unknown, foreign and disabled services in the same words' },
  },
  {
    id: 'SIGN-RATE',
    enforcers: ['core', 'keyholder'],
    parameter: 'limits.requests',
    default: `${DEFAULT_LIMITS.requestsPerHour}/h`,
    paragraph:
      'So many requests of one publisher for one service are signed in an hour. It bounds how finely clients ' +
      'can be told apart by different descriptors, and the growth of the journal. The keyholder counts those of all ' +
      'publishers together, over a restart too, and anew with each list.',
    advice: 'wait as long as Retry-After says, or raise `limits.requests`',
    functions: ['src/signer/policy/rules.ts#checkSignRate', 'src/pkcs11/sign-rate.ts#check'],
    accepts: { file: EVALUATE, title: 'allows the last request of the hour and denies the next' },
    refuses: {
      file: LIMITS,
      title: 'counts orders and texts, refuses what is beyond policy, and does not begin anew with a restart',
    },
  },
  {
    id: 'CONTENT-CHURN',
    enforcers: ['core', 'keyholder'],
    parameter: 'limits.point_sets',
    default: `${DEFAULT_LIMITS.pointSetsPerHour}/h`,
    paragraph:
      'So many different sets of introduction points of a service are signed for one publisher in an hour (on a test ' +
      'network: in a voting interval); a set signed within it may be signed again. It bounds how many groups clients can ' +
      'be split into. The keyholder counts those of all publishers together. A restart forgets.',
    advice:
      'wait as long as Retry-After says; raise `limits.point_sets` before restarting more backends than that',
    functions: ['src/signer/policy/rules.ts#checkChurn', 'src/descriptor/point-sets.ts#check'],
    accepts: {
      file: 'test/descriptor/point-sets.test.ts',
      title: 'as many sets as the limit are let through in an hour, and each of them again',
    },
    refuses: {
      file: 'test/pkcs11/hostile-core.test.ts',
      title: 'CONTENT-CHURN counts different sets of points, not orders, and refuses what is beyond the list',
    },
  },
  {
    id: 'POINT-COUNT',
    enforcers: ['core', 'keyholder'],
    parameter: 'limits.points',
    default: `${DEFAULT_LIMITS.minPoints}..${DEFAULT_LIMITS.maxPoints}`,
    paragraph: 'A descriptor has so many introduction points. HSDirs and clients accept at most 20.',
    advice: 'ask for a number of points within the limit, or change `limits.points`',
    functions: [
      'src/signer/policy/rules.ts#checkPointCount',
      'src/pkcs11/keyholder-service.ts#checkPointCount',
    ],
    accepts: { file: EVALUATE, title: 'allows both ends of the range and denies what lies outside' },
    refuses: { file: LIMITS, title: 'is 20 at most whatever the list says' },
  },
  {
    id: 'MIN-BACKENDS',
    enforcers: ['core', 'keyholder'],
    parameter: 'limits.min_backends',
    default: String(DEFAULT_LIMITS.minBackends),
    paragraph:
      'The points of a descriptor come from at least so many backends, so that nobody can send all clients to one of ' +
      'them. It costs as many live backends as it says.',
    advice: 'send evidence of more backends; a lower `limits.min_backends` lets one backend have all clients',
    functions: ['src/descriptor/invariants.ts#checkMinBackends'],
    accepts: { file: EVALUATE, title: 'counts distinct backends, not descriptors' },
    refuses: { file: LIMITS, title: 'MIN-BACKENDS: the points come from as many as the list says' },
  },
  {
    id: 'INTRO-SHARE',
    enforcers: ['core', 'keyholder'],
    parameter: 'limits.points_per_backend',
    default: String(DEFAULT_LIMITS.maxPointsPerBackend),
    paragraph: 'No backend has more than so many points of one descriptor, over all of its own descriptors.',
    advice: 'take fewer points of this backend, or raise `limits.points_per_backend`',
    functions: ['src/descriptor/invariants.ts#checkIntroShare'],
    accepts: {
      file: EVALUATE,
      title: 'allows the limit of points of one backend and denies one more, over all its descriptors',
    },
    refuses: {
      file: LIMITS,
      title: 'INTRO-SHARE: none has more points than the list says, over all of its descriptors',
    },
  },
  {
    id: 'DESCRIPTOR-SIZE',
    enforcers: ['policy', 'keyholder'],
    paragraph: 'A descriptor is no larger than HSDirs take: many clients leave less room for points.',
    advice: 'ask for fewer points; `policy check` says where `limits.points` must end',
    functions: ['src/signer/policy/read-service.ts#checkRoom', 'src/pkcs11/descriptor-builder.ts#assemble'],
    accepts: {
      file: 'test/signer/policy/access.test.ts',
      title: 'is never more than a descriptor takes, and at most one less',
    },
    refuses: {
      file: 'test/pkcs11/keyholder-clients.test.ts',
      title: 'is refused as a whole when it does not fit, and fits with fewer points',
    },
  },
];
