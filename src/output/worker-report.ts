import type { GroupLag } from "../engine/lag/lag.ts";
import type {
  Delivery,
  Verdict,
  WorkerObserver,
  WorkerResult,
  WorkerSettings,
  WorkerState,
} from "../engine/worker/types.ts";
import { formatCount, formatDuration, formatNumber } from "../units.ts";
import { LineLimit, type Unwritten } from "./line-limit.ts";
import type { Log, LogFacts } from "./log.ts";
import { verdictWord } from "./verdict-words.ts";

/** A worker as it begins. */
export interface WorkerFacts {
  readonly version: string;
  readonly target: string;
  /** What runs there; undefined when it is not known. */
  readonly server: string | undefined;
  /** Streams, or patterns for them, as they were asked for. */
  readonly asked: readonly string[];
  /** How many handlers run at once. */
  readonly jobs: number;
}

export interface WorkerReport {
  readonly observer: WorkerObserver;
  started(facts: WorkerFacts): void;
  /** `signal`: what it stops for; `some`: of what it holds. */
  stopping(signal: string, state: WorkerState, some: readonly Delivery[]): void;
  /** `lag` undefined: not known now. */
  statusLine(state: WorkerState, lag: readonly GroupLag[] | undefined): string;
  summary(result: WorkerResult, tookMs: number, asJson: boolean): void;
  /** Says what is still to be summed up, and releases everything. */
  end(): void;
}

/**
 * What an exec worker says on stderr: who it is, failures as they come, a status line, a summary. Of lines
 * that come by the thousand a few are written and the rest is summed up (all of them with -v, none with -q).
 */
export function workerReport(log: Log, settings: WorkerSettings): WorkerReport {
  const counts = { ok: 0, retry: 0, snooze: 0, dead: 0 };
  const rate = new RateMeter();
  const limit = new LineLimit();
  const limited = (level: "info" | "warn", kind: LimitedKind, line: string, facts: LogFacts): void => {
    if (log.quiet) return;
    const allowed =
      log.verbose ||
      limit.allows(kind, line, ({ count, last, windowMs }) =>
        log[level](
          `${formatNumber(count)} more ${SUMMED_UP[kind]} within ${formatDuration(windowMs)}, the last: ${last}`,
          { verdict: kind, count },
        ),
      );
    if (allowed) log[level](line, facts);
  };
  const observer: WorkerObserver = {
    ran() {},
    settled(delivery, verdict, durationMs) {
      const facts = { ...factsOf(delivery), verdict: verdictWord(verdict), durationMs };
      rate.count();
      switch (verdict.kind) {
        case "ack":
          counts.ok++;
          log.detail(`${name(delivery)} done in ${formatDuration(durationMs)}`, facts);
          return;
        case "retry":
          counts.retry++;
          limited(
            "info",
            "retry",
            `${name(delivery)} failed (${verdict.reason}), delivery ${delivery.deliveries} of ${settings.retry.maxDeliveries}: retry in ${formatDuration(verdict.delayMs)}`,
            { ...facts, reason: verdict.reason, retryInMs: verdict.delayMs },
          );
          return;
        case "snooze":
          counts.snooze++;
          limited(
            "info",
            "snooze",
            `${name(delivery)} snoozed (${verdict.reason}): again in ${formatDuration(verdict.delayMs)}, not counted`,
            { ...facts, reason: verdict.reason, retryInMs: verdict.delayMs },
          );
          return;
        case "dead":
          counts.dead++;
          limited(
            "warn",
            "dead",
            `${name(delivery)} dead-lettered after ${times(delivery.deliveries)}: ${verdict.reason}`,
            { ...facts, reason: verdict.reason },
          );
          return;
        case "unmatched":
          log.detail(`${name(delivery)} acked without a run: it does not match`, facts);
          return;
        case "duplicate":
          log.detail(`${name(delivery)} acked without a run: its key has succeeded before`, facts);
          return;
        case "release":
        case "broken":
          log.detail(`${name(delivery)} handed back`, facts);
          return;
      }
    },
    lost(delivery, verdict, owner) {
      const why = owner === "another" ? "belongs to another consumer by now" : "is not pending any more";
      const what = verdict ? `its ${DROPPED[verdict.kind]} was dropped` : "it is not run here";
      limited("warn", "lost", `${name(delivery)} ${why}: ${what}`, {
        ...factsOf(delivery),
        verdict: "lost",
      });
    },
    missing(stream, ids) {
      limited(
        "warn",
        "missing",
        `${stream}: ${ids.length === 1 ? "a pending entry" : `${ids.length} pending entries`} had no data left in the stream and went from the pending list: ${ids.slice(0, 5).join(" ")}${ids.length > 5 ? " …" : ""}`,
        { stream, verdict: "missing", count: ids.length },
      );
    },
    takenOver(delivery, from) {
      log.detail(`${name(delivery)} taken over from ${from}, delivery ${delivery.deliveries}`, {
        ...factsOf(delivery),
        from,
      });
    },
    scheduled(stream, { added, givenBack, lateMs }) {
      const late = lateMs > LATE_MS ? `, up to ${formatDuration(lateMs)} late` : "";
      const back = givenBack > 0 ? ` and ${formatNumber(givenBack)} given back to their groups` : "";
      log.detail(`${stream}: ${formatNumber(added)} scheduled added${back}${late}`, {
        stream,
        added,
        givenBack,
      });
    },
    // The roster says which.
    joined() {},
    notice(level, message) {
      const kind = `${level} ${message.slice(0, NOTICE_HEAD)}`;
      const sumUp = ({ count, windowMs }: Unwritten): void =>
        log[level](`${formatNumber(count)} more lines like that within ${formatDuration(windowMs)}`);
      if (log.verbose || level === "detail" || limit.allows(kind, message, sumUp)) log[level](message);
    },
  };
  return {
    observer,
    started({ version, target, server, asked, jobs }) {
      const { group, consumer } = settings;
      const where = `${server === undefined ? "" : `${server} at `}${target}`;
      log.info(
        `working on ${asked.join(", ")} for group ${group} as ${consumer}, -j ${jobs} (streamctl ${version}, ${where})`,
        { version, server: server ?? null, target, jobs },
      );
    },
    stopping(signal, { running, inFlight }, some) {
      const more = inFlight > some.length ? ", …" : "";
      const which = some.length === 0 ? "" : ` (${some.map(name).join(", ")}${more})`;
      const waits = running === 0 ? "" : `, waiting for up to ${formatDuration(settings.shutdownTimeoutMs)}`;
      log.info(`stopping at ${signal}: ${running} running, ${inFlight} in hand${which}${waits}`, {
        signal,
        running,
        inFlight,
      });
    },
    statusLine(state, lag) {
      const parts = [
        `${rate.perSecond().toFixed(1)}/s`,
        `${state.running} running`,
        `${formatNumber(counts.ok)} ok`,
        `${formatNumber(counts.retry)} retried`,
        `${formatNumber(counts.dead)} dead`,
      ];
      if (counts.snooze > 0) parts.push(`${formatNumber(counts.snooze)} snoozed`);
      if (lag !== undefined) parts.push(`lag ${lagText(lag)}`);
      if (state.paused) parts.push("paused");
      if (state.groupPaused === "everywhere") parts.push("group paused");
      else if (state.groupPaused > 0)
        parts.push(`group paused on ${formatCount(state.groupPaused, "stream")}`);
      return parts.join("  ");
    },
    summary(result, tookMs, asJson) {
      limit.flush();
      if (asJson && !log.json && !log.quiet) {
        log.stream.write(`${JSON.stringify({ ...result, tookMs })}\n`);
        return;
      }
      const parts = [`${result.ok} ok`, `${result.dead} dead-lettered`, `${result.retried} retried`];
      if (result.snoozed > 0) parts.push(`${result.snoozed} snoozed`);
      if (result.duplicates > 0) parts.push(`${result.duplicates} duplicates`);
      if (result.unmatched > 0) parts.push(`${result.unmatched} unmatched`);
      if (result.lost > 0) parts.push(`${result.lost} lost to other consumers`);
      if (result.missing > 0) parts.push(`${result.missing} without data`);
      if (result.killed > 0) parts.push(`${result.killed} killed`);
      log.info(`${parts.join(", ")} in ${formatDuration(tookMs)}`, { ...result, tookMs });
    },
    end: () => limit.flush(),
  };
}

/** What comes by the thousand when something is wrong. */
/** Later than this is what was due while no worker ran. */
const LATE_MS = 1_000;

type LimitedKind = "retry" | "snooze" | "dead" | "lost" | "missing";

const SUMMED_UP: Readonly<Record<LimitedKind, string>> = {
  retry: "failed and wait for a retry",
  snooze: "were snoozed",
  dead: "were dead-lettered",
  lost: "had another owner by then",
  missing: "lines about pending entries without data",
};

/** Notices that begin alike are of one kind. */
const NOTICE_HEAD = 16;

function name({ stream, entry }: Delivery): string {
  return `${stream} ${entry.id}`;
}

function factsOf({ stream, entry, deliveries }: Delivery): LogFacts {
  return { stream, id: entry.id, deliveries };
}

/** Of all the streams together; a bound where that is all there is. */
function lagText(rows: readonly GroupLag[]): string {
  const sum = rows.reduce((total, { lag, lagAtLeast }) => total + (lag ?? lagAtLeast ?? 0), 0);
  return `${rows.some(({ lag }) => lag === null) ? "≥" : ""}${formatNumber(sum)}`;
}

function times(deliveries: number): string {
  return deliveries === 1 ? "1 delivery" : `${deliveries} deliveries`;
}

const DROPPED: Readonly<Record<Verdict["kind"], string>> = {
  ack: "ack",
  duplicate: "ack",
  unmatched: "ack",
  retry: "retry",
  snooze: "snooze",
  dead: "dead letter",
  release: "return",
  broken: "return",
};

/** Events per second over the last few seconds. */
class RateMeter {
  readonly #perSecond = new Map<number, number>();

  count(): void {
    const second = Math.floor(Date.now() / 1_000);
    this.#perSecond.set(second, (this.#perSecond.get(second) ?? 0) + 1);
    for (const old of this.#perSecond.keys()) {
      if (old >= second - WINDOW_S) break;
      this.#perSecond.delete(old);
    }
  }

  perSecond(): number {
    const second = Math.floor(Date.now() / 1_000);
    let sum = 0;
    for (let at = second - WINDOW_S; at < second; at++) sum += this.#perSecond.get(at) ?? 0;
    return sum / WINDOW_S;
  }
}

const WINDOW_S = 5;
