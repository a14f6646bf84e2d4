import { expect, test } from "vitest";
import { runChaos } from "../support/chaos/chaos.ts";

/** `npm run chaos` sets these, with another seed every time; without them the run is a short one. */
const asked = (name: string, otherwise: number): number => Number(process.env[name] ?? otherwise);
const SEED = asked("CHAOS_SEED", 1);
const ENTRIES = asked("CHAOS_ENTRIES", 1_500);
const SHORT = ENTRIES <= 2_000;
const say = (line: string): void => {
  if (process.env["CHAOS_VERBOSE"] !== undefined) console.log(line);
};

test(
  `three workers under faults of every kind: nothing is lost, doubled or stuck (seed ${SEED})`,
  { timeout: SHORT ? 150_000 : 900_000 },
  async () => {
    console.log(`chaos: seed ${SEED}, ${ENTRIES} entries`);
    const report = await runChaos({ seed: SEED, entries: ENTRIES, slowSeconds: SHORT ? 0.3 : 0.05, say });
    const { faults, runs, repeated, mayRepeat } = report;
    console.log(
      `chaos: seed ${SEED}: ${faults} faults, ${runs} runs, ${repeated} repeated (the faults account for ${mayRepeat})`,
    );
    expect(report.violations, `seed ${SEED}`).toEqual([]);
  },
);
