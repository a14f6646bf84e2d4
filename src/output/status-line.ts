import { startInterval } from "../lib/timer.ts";
import { fitWidth } from "./fit.ts";
import type { Log } from "./log.ts";
import { safeText } from "./safe-text.ts";
import { terminalSize } from "./terminal.ts";

/** At most five redraws a second. */
const REDRAW_MS = 200;

export interface StatusLine {
  /** Takes the line away, so that something else can be written; the next redraw brings it back. */
  clear(): void;
  /** Draws the line now. */
  draw(): void;
  /** Takes the line away for good and releases its timer. */
  stop(): void;
}

/**
 * One line at the bottom of a terminal that shows `text()`, redrawn five times a second and kept below
 * the log and below what the run's Output writes. Without a terminal, with -q or with --log json it draws
 * nothing.
 */
export function startStatusLine(log: Log, text: () => string): StatusLine {
  if (!log.live) return { clear() {}, draw() {}, stop() {} };
  let shown = false;
  const clear = (): void => {
    if (shown) log.stream.write("\r\u001b[2K");
    shown = false;
  };
  const draw = (): void => {
    // The last column stays empty: some terminals wrap as soon as it is filled.
    const line = fitWidth(safeText(text()), terminalSize(log.stream).columns - 1);
    log.stream.write(`\r\u001b[2K${line}`);
    shown = true;
  };
  const timer = startInterval(REDRAW_MS, draw);
  const status = { clear, draw };
  log.keepBelow(status);
  return {
    clear,
    draw,
    stop() {
      timer.stop();
      log.keepBelow(undefined);
      clear();
    },
  };
}
