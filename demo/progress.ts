export interface Step {
  readonly name: string;
  readonly ms: number;
}

/** One line per step on standard output, with its time when it is over. */
export class Progress {
  readonly steps: Step[] = [];
  #name: string | undefined;
  #began = 0;

  step(name: string): void {
    this.end();
    this.#name = name;
    this.#began = performance.now();
    process.stdout.write(`• ${name}\n`);
  }

  end(): void {
    if (this.#name === undefined) return;
    const ms = Math.round(performance.now() - this.#began);
    this.steps.push({ name: this.#name, ms });
    process.stdout.write(`  ${(ms / 1000).toFixed(1)} s\n`);
    this.#name = undefined;
  }
}
