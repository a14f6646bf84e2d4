import { startInterval } from "../lib/timer.ts";
import { fitWidth } from "./fit.ts";
import type { Log } from "./log.ts";
import { safeText } from "./safe-text.ts";
import { terminalSize } from "./terminal.ts";

/** At most five redraws a second. */
const REDRAW_MS = 200;

export interface LiveLine {
  /** Draws the line now. */
  draw(): void;
  /** Takes the line away for good and releases its timer. */
  stop(): void;
}

/**
 * The one live line of a run, at the bottom of the terminal: a worker's status, the progress of what takes long, what is
 * waited for. Shows `text()`, redrawn five times a second and kept below the log and below what the run's Output
 * writes. Without a terminal, with -q or with --log json it draws nothing.
 */
export function startLiveLine(log: Log, text: () => string): LiveLine {
  if (!log.live) return { draw() {}, stop() {} };
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
  log.keepBelow({ clear, draw });
  return {
    draw,
    stop() {
      timer.stop();
      log.keepBelow(undefined);
      clear();
    },
  };
}
