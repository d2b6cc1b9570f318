// How set-up talks: one plain line per thing it does, on standard error, and one kind of error.

/** A reason why set-up cannot go on; the message says what to do next. */
export class SetupError extends Error {}

/**
 * @param {string} text
 */
export function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/**
 * Runs a main function; an error of set-up ends the process with its message alone, any other with its stack.
 * @param {() => Promise<number>} main gives the exit code
 */
export async function runMain(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
