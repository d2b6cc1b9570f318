/** A test by its file and the words of its title. */
export interface NamedTest {
  readonly file: string;
  readonly title: string;
}

/** Who enforces a rule. `list` is the keyholder when it reads the list that root wrote. */
export type Enforcer = 'policy' | 'core' | 'list' | 'keyholder';

/** One rule, as the reference page and `policy explain` show it. */
export interface RuleRow {
  /** As it stands in denials, logs and errors. */
  readonly id: string;
  readonly enforcers: readonly Enforcer[];
  /** The key of the policy file; undefined for what no policy can change. */
  readonly parameter?: string;
  readonly default?: string;
  /** What the rule is for. */
  readonly paragraph: string;
  /** What to do when it refuses. */
  readonly advice: string;
  /** `file#function`, the judge itself. */
  readonly functions: readonly string[];
  readonly accepts: NamedTest;
  readonly refuses: NamedTest;
}
