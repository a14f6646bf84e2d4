import { expect, test } from "vitest";
import { runChaos } from "../support/chaos/chaos.ts";
import type { Setup } from "../support/chaos/manners.ts";

/** `npm run chaos` sets these, with another seed every time; without them the runs are short ones. */
const asked = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const SEED = process.env["CHAOS_SEED"];
const say = (line: string): void => {
  if (process.env["CHAOS_VERBOSE"] !== undefined) console.log(line);
};

async function chaos(seed: number, entries: number, setup?: Setup): Promise<void> {
  const slowSeconds = entries <= 2_000 ? 0.3 : 0.05;
  const options = { seed, entries, slowSeconds, delayMs: asked("CHAOS_DELAY", 0), say };
  const report = await runChaos(setup ? { ...options, setup } : options);
  const { faults, runs, repeated, mayRepeat, killed, full, drainedInMs } = report;
  console.log(
    `chaos: seed ${seed}, ${entries} entries, ${JSON.stringify(report.setup)}: ${faults} faults, ` +
      `${killed} groups killed, ${full} full outputs, ${runs} runs, ` +
      `${repeated} repeated (the faults account for ${mayRepeat}), drained ${drainedInMs} ms after the last fault`,
  );
  expect(report.violations, `seed ${seed}`).toEqual([]);
}

const NAME = "three workers under faults of every kind: nothing is lost, doubled or stuck";

if (SEED !== undefined) {
  test(`${NAME} (seed ${SEED})`, { timeout: 1_200_000 }, () =>
    chaos(Number(SEED), asked("CHAOS_ENTRIES", 20_000)),
  );
} else {
  // In every manner of running a command; output of one entry needs runs of one entry.
  const setups: readonly Setup[] = [
    { ordered: true, emit: "nowhere" },
    { ordered: false, emit: "slot" },
    { ordered: false, emit: "across" },
  ];
  test.each(setups)(`${NAME} (%j)`, { timeout: 400_000 }, (setup) => chaos(1, 500, setup));
}
