import type { GroupLag } from "../engine/lag/lag.ts";
import type { Outcome } from "../engine/handlers/outcome.ts";
import type { WorkerObserver, WorkerState } from "../engine/worker/types.ts";
import { VERDICT_WORDS, type VerdictWord, verdictWord } from "../output/verdict-words.ts";
import { addGroupGauges } from "./group-gauges.ts";
import type { MetricSet } from "./metric-set.ts";

export interface WorkerFacts {
  readonly streams: readonly string[];
  readonly group: string;
  readonly state: () => WorkerState;
  readonly lag: () => readonly GroupLag[] | undefined;
}

/** From a shell builtin to a job of a quarter of an hour. */
const DURATION_BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900];

/**
 * Adds an exec worker's metrics; gives the observer that counts. The number of samples is fixed by the
 * worker's streams and by what exit codes there are.
 */
export function addWorkerMetrics(metrics: MetricSet, facts: WorkerFacts): WorkerObserver {
  const { streams, group } = facts;
  const entries = metrics.counter(
    "streamctl_entries_total",
    "Entries by what became of them. lost: another consumer had taken the entry over by then.",
    ["stream", "group", "verdict"],
  );
  const takeovers = metrics.counter(
    "streamctl_takeovers_total",
    "Entries taken over from other consumers: for a retry, or because their owner went silent.",
    ["stream", "group"],
  );
  const scheduled = metrics.counter(
    "streamctl_scheduled_added_total",
    "Scheduled entries that this worker has added when they were due, or given back to their group.",
    ["stream"],
  );
  const exits = metrics.counter(
    "streamctl_handler_exits_total",
    "Invocations of the command by how they ended: exit code, signal name, timeout, stopped or answer.",
    ["code"],
  );
  const durations = metrics.histogram(
    "streamctl_handler_duration_seconds",
    "How long invocations of the command took; with --persistent, from an entry's line to its answer.",
    DURATION_BUCKETS_S,
  );
  const count = (stream: string, verdict: VerdictWord, by = 1): void =>
    entries.inc({ stream, group, verdict }, by);
  // All of them from the start: a counter that appears with its first event hides that event from rate().
  const begin = (stream: string): void => {
    takeovers.inc({ stream, group }, 0);
    scheduled.inc({ stream }, 0);
    for (const verdict of VERDICT_WORDS) count(stream, verdict, 0);
  };
  streams.forEach(begin);
  addStateGauges(metrics, facts.state);
  addGroupGauges(metrics, facts.lag);
  return {
    ran(outcomes, durationMs) {
      const code = codeOf(outcomes);
      if (code === undefined) return;
      exits.inc({ code });
      durations.observe(durationMs / 1_000);
    },
    settled: ({ stream }, verdict) => count(stream, verdictWord(verdict)),
    lost: ({ stream }) => count(stream, "lost"),
    missing: (stream, ids) => count(stream, "missing", ids.length),
    takenOver: ({ stream }) => takeovers.inc({ stream, group }),
    scheduled: (stream, { added, givenBack }) => scheduled.inc({ stream }, added + givenBack),
    joined: begin,
    notice() {},
  };
}

function addStateGauges(metrics: MetricSet, state: () => WorkerState): void {
  metrics.gauge("streamctl_running", "Invocations of the command that run now.", [], (gauge) =>
    gauge.set(state().running),
  );
  metrics.gauge("streamctl_in_flight", "Entries delivered to this worker and not settled yet.", [], (gauge) =>
    gauge.set(state().inFlight),
  );
  metrics.gauge("streamctl_paused", "1 while --pause-after lets only probes run, else 0.", [], (gauge) =>
    gauge.set(state().paused ? 1 : 0),
  );
  metrics.gauge(
    "streamctl_turn_seconds",
    "How long the worker's loop has been asking Redis without coming round; /healthz goes by it.",
    [],
    (gauge) => gauge.set(state().turnMs / 1_000),
  );
}

/**
 * How an invocation ended, in one of some 300 words. A batch has an outcome for each entry: its process'
 * end is what those have that were not answered for. Undefined: it did not run.
 */
function codeOf(outcomes: readonly Outcome[]): string | undefined {
  const ends = outcomes.filter(({ kind }) => kind !== "unrun");
  const end = ends.find(({ kind }) => kind !== "answer") ?? ends[0];
  if (end?.kind === "unprinted") return "0";
  if (end?.kind === "exit" || end?.kind === "unstarted") return String(end.code);
  if (end?.kind === "response") return String(end.status);
  return end?.kind === "signal" ? end.signal.replace(/^SIG/, "") : end?.kind;
}
