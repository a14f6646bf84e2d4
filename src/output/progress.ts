import { startTimer, type Timer } from "../lib/timer.ts";
import { formatDuration, formatNumber } from "../units.ts";
import type { Log } from "./log.ts";
import { startLiveLine, type LiveLine } from "./live-line.ts";

/** Whoever is done sooner than this has seen no progress line flash by. */
const SHOW_AFTER_MS = 500;
const SAMPLE_MS = 100;
/** The rate shown is that of the last few seconds. */
const WINDOW_MS = 5_000;

export interface Progress {
  /** `done` and `total` count what `unit` names, from the start of the operation. Cheap: call it as often as you like. */
  update(done: number, total?: number): void;
  /** Takes the line away and releases everything. May be called twice. */
  stop(): void;
}

export interface ProgressOptions {
  /** What is under way: `reading orders`. */
  readonly label: string;
  /** What is counted, in the plural: `entries`. */
  readonly unit: string;
  /** More to say at the end of the line, asked for at each redraw. */
  readonly detail?: (() => string) | undefined;
}

/**
 * One line on stderr with count, rate and time left, for an operation that may take long. It is shown only
 * on a terminal, not with -q, and only after half a second.
 */
export function createProgress(log: Log, options: ProgressOptions): Progress {
  if (!log.live) return { update() {}, stop() {} };
  return new ProgressLine(log, options);
}

class ProgressLine implements Progress {
  readonly #log: Log;
  readonly #options: ProgressOptions;
  readonly #samples: { readonly at: number; readonly done: number }[] = [{ at: Date.now(), done: 0 }];
  readonly #timer: Timer;
  #status: LiveLine | undefined;
  #stopped = false;
  #done = 0;
  #total: number | undefined;

  constructor(log: Log, options: ProgressOptions) {
    this.#log = log;
    this.#options = options;
    this.#timer = startTimer(SHOW_AFTER_MS, () => void this.#show());
  }

  update(done: number, total?: number): void {
    this.#done = done;
    if (total !== undefined) this.#total = total;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer.stop();
    this.#status?.stop();
    this.#status = undefined;
  }

  /** ora makes the frames. It is not started: the status line is what draws, below all else that is written. */
  async #show(): Promise<void> {
    const { default: ora } = await import("ora");
    if (this.#stopped) return;
    const spinner = ora({ stream: this.#log.stream as NodeJS.WriteStream, isEnabled: true, color: false });
    this.#status = startLiveLine(this.#log, () => {
      spinner.text = this.#line();
      return spinner.frame();
    });
    this.#status.draw();
  }

  #line(): string {
    const { label, unit, detail } = this.#options;
    const perSecond = this.#rate();
    const parts = [
      `${label}: ${formatNumber(this.#done)}${this.#total === undefined ? "" : ` of ${formatNumber(this.#total)}`} ${unit}`,
    ];
    if (perSecond >= 1) parts.push(`${formatNumber(Math.round(perSecond))}/s`);
    if (this.#total !== undefined && perSecond > 0 && this.#total > this.#done) {
      parts.push(`${formatDuration(((this.#total - this.#done) / perSecond) * 1_000)} left`);
    }
    const more = detail?.();
    if (more) parts.push(more);
    return parts.join(", ");
  }

  #rate(): number {
    const now = Date.now();
    if (now - (this.#samples.at(-1)?.at ?? 0) >= SAMPLE_MS) this.#samples.push({ at: now, done: this.#done });
    while (this.#samples.length > 2 && now - (this.#samples[1]?.at ?? now) >= WINDOW_MS)
      this.#samples.shift();
    const first = this.#samples[0];
    if (!first || now === first.at) return 0;
    return ((this.#done - first.done) * 1_000) / (now - first.at);
  }
}
