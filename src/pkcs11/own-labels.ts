// CKA_LABELs by which this program tells its own objects on a token from others: it destroys what carries them.

/** Every object that a probe leaves on a token carries it; whatever carries it is the next probe's to destroy. */
export const PROBE_LABEL = 'onion-signer probe';

/** How the label of a signer's period keys begins; what follows names the signer. */
export const PERIOD_KEY_LABEL = 'onion-signer period key';

/** Whether a key of this label could be taken for one of those. */
export const isOwnLabel = (label: string): boolean =>
  label === PROBE_LABEL || label.startsWith(PERIOD_KEY_LABEL);
