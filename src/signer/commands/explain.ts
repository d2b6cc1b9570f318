import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { journalPath, type SignerConfig } from '../config.ts';
import { NAME_PATTERN } from '../contract/name.ts';
import { SignerError } from '../contract/problems.ts';
import { MAX_BODY_BYTES, parseSignRequest, type Problem, type SignRequest } from '../contract/requests.ts';
import { askDaemon } from '../daemon-client.ts';
import { explainRequest, type RequestExplanation } from '../explain-request.ts';
import { openJournal } from '../journal/journal.ts';
import { explainFile, type FileExplanation } from '../policy/explain-file.ts';
import { describeRule, formatRule } from '../policy/explain-rule.ts';
import { readFiles } from '../policy/load.ts';
import { readConfigFile, readFileBytes } from '../program/read-file.ts';
import { errorAt } from '../program/strict-yaml.ts';
import { ONLY_RUNNING, storedCore } from '../stored-core.ts';
import type { CommandContext } from './context.ts';
import { formatFile, formatRequest } from './explain-text.ts';
import { loadOptions } from './policy-step.ts';

interface ExplainOptions {
  readonly publisher?: string;
  readonly json?: boolean;
}

/** What is explained; the ending of a file alone tells its kind, and no rule has one. */
type Subject = { readonly kind: 'rule' | 'file' | 'request'; readonly name: string };

/** `policy explain`: a rule, a policy file, or a request. Changes nothing. */
export function addExplainCommand(policy: Command, context: CommandContext): void {
  policy
    .command('explain')
    .description(
      'a rule, a policy file, or a request: what it says and what would become of it; ' +
        'exit 1 it would be refused, 2 nothing can be said',
    )
    .argument(
      '<what>',
      'RULE, such as SIGN-RATE; NAME.yaml, a policy file; NAME.json, a body of POST /v1/descriptors',
    )
    .option('--publisher <name>', 'who sends the request; needed where a service has several')
    .option('--json', 'for programs')
    .action(async (what: string, options: ExplainOptions) => {
      const { kind, name } = subjectOf(what, options);
      const show = <T>(said: T, format: (said: T) => string): void =>
        context.print(options.json === true ? `${JSON.stringify(said)}\n` : format(said));
      if (kind === 'rule') {
        show(describeRule(name), formatRule);
        return;
      }
      if (kind === 'file') {
        const said = explainPolicyFile(context.config(), name);
        if (said.problems.length > 0) process.exitCode = 1;
        show(said, formatFile);
        return;
      }
      const said = await explainRequestFile(context.config(), name, options.publisher);
      if (said.outcome === 'refused') process.exitCode = 1;
      show(said, formatRequest);
    });
}

/** SignerError NOT_FOUND for what is none of the three, BAD_VALUE for a publisher where there is no request. */
export function subjectOf(name: string, { publisher }: Pick<ExplainOptions, 'publisher'>): Subject {
  const kind = name.endsWith('.yaml') ? 'file' : name.endsWith('.json') ? 'request' : 'rule';
  if (kind === 'rule' && !/^[A-Za-z]+(?:-[A-Za-z]+)*$/u.test(name)) {
    const message = 'name a rule such as SIGN-RATE, a policy file NAME.yaml, or a request NAME.json';
    throw new SignerError('NOT_FOUND', message);
  }
  if (publisher !== undefined && kind !== 'request')
    throw new SignerError('BAD_VALUE', 'write --publisher with a request, NAME.json');
  if (publisher !== undefined && !new RegExp(NAME_PATTERN).test(publisher))
    throw new SignerError('BAD_VALUE', 'write --publisher as the name in signer.yaml');
  return { kind, name };
}

/** A file of another directory is taken to stand among the policies, in place of the one of its name. */
function explainPolicyFile(config: SignerConfig, given: string): FileExplanation {
  const name = findFile(given, config.policies);
  const file = { name, text: readConfigFile(name) };
  const all = readFiles(config.policies);
  const others = all.filter(other => basename(other.name) !== basename(name));
  const said = explainFile(file, others, loadOptions(config));
  if (dirname(resolve(name)) === resolve(config.policies)) return said;
  const readAs =
    others.length < all.length
      ? `in place of the file of the same name in ${config.policies}; to judge a change, keep the name`
      : `beside the files in ${config.policies}, where none has this name; to judge a change of one, give it that name`;
  return { ...said, readAs };
}

/** A bare name may be that of a policy. SignerError FILE_UNREADABLE. */
function findFile(name: string, policies: string): string {
  if (name.includes('/') || existsSync(name)) return name;
  const policy = join(policies, name);
  if (existsSync(policy)) return policy;
  throw new SignerError('FILE_UNREADABLE', `${name}: there is no such file here, nor in ${policies}`, {
    file: name,
  });
}

async function explainRequestFile(
  config: SignerConfig,
  name: string,
  publisher: string | undefined,
): Promise<RequestExplanation> {
  const body = readFileBytes(name, MAX_BODY_BYTES);
  const request = parseRequest(body, name);
  const query = publisher === undefined ? '' : `?publisher=${publisher}`;
  const answer = await askDaemon(config, 'POST', `/explain${query}`, body);
  if (answer !== undefined) {
    const said: unknown = JSON.parse(answer.body.toString('utf8'));
    if (answer.status === 200) return said as RequestExplanation;
    const { code, detail } = said as Problem;
    if (code === 'REQUEST_SCHEMA') throw new SignerError(code, detail);
    throw new SignerError('NOT_READY', 'the daemon could not judge the request; see its log');
  }
  const now = (): number => Math.floor(Date.now() / 1000);
  const journal = openJournal({ path: journalPath(config), now });
  try {
    const core = storedCore(config, journal, request);
    return await explainRequest(core, publisher, request, { notJudged: ONLY_RUNNING });
  } finally {
    journal.close();
  }
}

/** parseSignRequest with the place in the file. */
function parseRequest(body: Uint8Array, file: string): SignRequest {
  try {
    return parseSignRequest(body);
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    const { code, message, offset } = error;
    if (offset === undefined) throw new SignerError(code, `${file}: ${message}`, { cause: error, file });
    const lines = new TextDecoder().decode(body.subarray(0, offset)).split('\n');
    const column = (lines.at(-1)?.length ?? 0) + 1;
    throw errorAt(code, { file, line: lines.length, column }, message, error);
  }
}
