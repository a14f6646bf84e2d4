import type { Context } from "../../context.ts";
import { startTimer } from "../../lib/timer.ts";

/** The run's stop signal, which also aborts once `--max-runtime` has passed from now on. */
export function untilTimeIsUp(context: Context, maxRuntimeMs: number | undefined): AbortSignal {
  if (maxRuntimeMs === undefined) return context.stop;
  const timeIsUp = new AbortController();
  const timer = startTimer(maxRuntimeMs, () => timeIsUp.abort());
  context.defer(() => timer.stop());
  return AbortSignal.any([context.stop, timeIsUp.signal]);
}
