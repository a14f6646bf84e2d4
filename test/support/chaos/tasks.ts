import type { Random } from "./random.ts";

/** What an entry makes its handler do. The number of runs that it takes when nothing else goes wrong. */
export const RUNS = {
  ok: 1,
  slow: 1,
  fail1: 2,
  fail2: 3,
  hang1: 2,
  crash1: 2,
  nosy: 1,
  nosyfail: 2,
  dead: 1,
  poison: 8,
} as const;

export type Task = keyof typeof RUNS;

export const MAX_DELIVERIES = RUNS.poison;
export const HANDLER_TIMEOUT_MS = 5_000;

/** Those that print all that they find out about themselves and about other processes. */
export function isNosy(task: Task): boolean {
  return task === "nosy" || task === "nosyfail";
}

/** Those that end in the dead-letter queue. */
export function isFatal(task: Task): boolean {
  return task === "dead" || task === "poison";
}

export function randomTask(random: Random): Task {
  return random.weighted({
    ok: 60,
    slow: 26,
    fail1: 5,
    fail2: 3,
    hang1: 0.4,
    crash1: 1.6,
    nosy: 1.2,
    nosyfail: 1.2,
    dead: 2,
    poison: 2,
  });
}
