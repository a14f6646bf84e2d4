import type { GroupLag } from "../engine/lag/lag.ts";
import type {
  Delivery,
  Verdict,
  WorkerObserver,
  WorkerResult,
  WorkerSettings,
  WorkerState,
} from "../engine/worker/types.ts";
import { formatDuration, formatNumber } from "../units.ts";
import type { Log, LogFacts } from "./log.ts";
import { verdictWord } from "./verdict-words.ts";

export interface WorkerReport {
  readonly observer: WorkerObserver;
  /** `lag` undefined: not known now. */
  statusLine(state: WorkerState, lag: readonly GroupLag[] | undefined): string;
  summary(result: WorkerResult, tookMs: number, asJson: boolean): void;
}

/** What an exec worker says on stderr: failures as they come, a status line, a summary. */
export function workerReport(log: Log, settings: WorkerSettings): WorkerReport {
  const counts = { ok: 0, retry: 0, dead: 0 };
  const rate = new RateMeter();
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
          log.info(
            `${name(delivery)} failed (${verdict.reason}), delivery ${delivery.deliveries} of ${settings.retry.maxDeliveries}: retry in ${formatDuration(verdict.delayMs)}`,
            { ...facts, reason: verdict.reason, retryInMs: verdict.delayMs },
          );
          return;
        case "dead":
          counts.dead++;
          log.warn(`${name(delivery)} dead-lettered after ${times(delivery.deliveries)}: ${verdict.reason}`, {
            ...facts,
            reason: verdict.reason,
          });
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
      log.warn(`${name(delivery)} ${why}: its ${DROPPED[verdict.kind]} was dropped`, {
        ...factsOf(delivery),
        verdict: "lost",
      });
    },
    missing(stream, ids) {
      log.warn(
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
    // The roster says which.
    joined() {},
    notice(level, message) {
      log[level](message);
    },
  };
  return {
    observer,
    statusLine(state, lag) {
      const parts = [
        `${rate.perSecond().toFixed(1)}/s`,
        `${state.running} running`,
        `${formatNumber(counts.ok)} ok`,
        `${formatNumber(counts.retry)} retried`,
        `${formatNumber(counts.dead)} dead`,
      ];
      if (lag !== undefined) parts.push(`lag ${lagText(lag)}`);
      if (state.paused) parts.push("paused");
      return parts.join("  ");
    },
    summary(result, tookMs, asJson) {
      if (asJson && !log.json && !log.quiet) {
        log.stream.write(`${JSON.stringify({ ...result, tookMs })}\n`);
        return;
      }
      const parts = [`${result.ok} ok`, `${result.dead} dead-lettered`, `${result.retried} retried`];
      if (result.duplicates > 0) parts.push(`${result.duplicates} duplicates`);
      if (result.lost > 0) parts.push(`${result.lost} lost to other consumers`);
      if (result.missing > 0) parts.push(`${result.missing} without data`);
      if (result.killed > 0) parts.push(`${result.killed} killed`);
      log.info(`${parts.join(", ")} in ${formatDuration(tookMs)}`, { ...result, tookMs });
    },
  };
}

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
  retry: "retry",
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
