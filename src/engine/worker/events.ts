import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { StreamctlError } from "../../errors.ts";
import type { Instant } from "../../lib/instant.ts";
import type { DueAdded } from "../../redis/ops/add-due.ts";
import { type EndRules, Ends } from "../group-reader/ends.ts";
import type { Outcome } from "../handlers/outcome.ts";
import { Lately } from "./lately.ts";
import type { Delivery, Verdict, WorkerObserver, WorkerResult } from "./types.ts";

/** Nothing is left to do for the entry, and it was one of those that were wanted. */
const FINAL: ReadonlySet<Verdict["kind"]> = new Set(["ack", "dead", "duplicate"]);

/** What the worker does about an event. */
export interface Reactions {
  /** No waiting mends this: the worker must stop. */
  readonly failed: (error: unknown) => void;
  /** Entries came by a step of their own, which Redis was asked for then, and not by a turn of the loop. */
  readonly came: (deliveries: readonly Delivery[], askedAt: Instant) => Promise<void>;
  /** The group was paused on streams, or goes on there. Resolves when no read is under way that was sent before. */
  readonly groupChanged: () => Promise<void>;
}

/**
 * What the roles of a worker report: it is counted and goes on to the observer (log, metrics). No role knows the worker;
 * what one of them can't go on with by itself comes back to it through the reactions.
 */
export class WorkerEvents implements WorkerObserver {
  readonly #counts = {
    ok: 0,
    retried: 0,
    snoozed: 0,
    dead: 0,
    lost: 0,
    missing: 0,
    duplicates: 0,
    unmatched: 0,
    killed: 0,
  };
  readonly #observer: WorkerObserver;
  readonly #reactions: Reactions;
  readonly ends: Ends;
  readonly lately = new Lately();

  constructor(observer: WorkerObserver, ends: EndRules, reactions: Reactions) {
    this.ends = new Ends(ends);
    this.#observer = observer;
    this.#reactions = reactions;
  }

  get result(): WorkerResult {
    return { ...this.#counts };
  }

  failed(error: unknown): void {
    this.#reactions.failed(error);
  }

  /** The deployment is broken, and no entry at fault. */
  broken(reason: string): void {
    this.failed(new StreamctlError("failed", reason, { hint: "no entry was counted or dead-lettered" }));
  }

  came(deliveries: readonly Delivery[], askedAt: Instant): Promise<void> {
    return this.#reactions.came(deliveries, askedAt);
  }

  /** `paused`: on some stream the group is. */
  groupChanged(paused: boolean): Promise<void> {
    this.ends.suspend(paused);
    return this.#reactions.groupChanged();
  }

  /** A handler was ended because the worker could not wait for it. */
  killed(): void {
    this.#counts.killed++;
  }

  ran(outcomes: readonly Outcome[], durationMs: number): void {
    this.ends.active();
    this.#observer.ran(outcomes, durationMs);
  }

  settled(delivery: Delivery, verdict: Verdict, durationMs: number): void {
    const counts = this.#counts;
    if (verdict.kind === "ack") counts.ok++;
    else if (verdict.kind === "dead") counts.dead++;
    else if (verdict.kind === "duplicate") counts.duplicates++;
    else if (verdict.kind === "unmatched") counts.unmatched++;
    else if (verdict.kind === "retry") counts.retried++;
    else if (verdict.kind === "snooze") counts.snoozed++;
    if (FINAL.has(verdict.kind)) this.ends.took(1);
    this.lately.settled(delivery.stream, verdict);
    this.#observer.settled(delivery, verdict, durationMs);
  }

  lost(delivery: Delivery, verdict: Verdict | undefined, owner: "another" | "nobody"): void {
    this.#counts.lost++;
    this.#observer.lost(delivery, verdict, owner);
  }

  missing(stream: StreamKey, ids: readonly EntryId[]): void {
    this.#counts.missing += ids.length;
    this.#observer.missing(stream, ids);
  }

  takenOver(delivery: Delivery, from: string): void {
    this.#observer.takenOver(delivery, from);
  }

  scheduled(stream: StreamKey, step: DueAdded): void {
    this.#observer.scheduled(stream, step);
  }

  joined(stream: StreamKey): void {
    this.#observer.joined(stream);
  }

  notice(level: "detail" | "info" | "warn", message: string): void {
    this.#observer.notice(level, message);
  }
}
