import { BatchHandler } from "./batch-handler.ts";
import type { Handler, HandlerOutput, HandlerSettings, Notice } from "./handler.ts";
import { PersistentHandler } from "./persistent-handler.ts";
import { Processes, type System } from "./processes.ts";
import { SingleHandler } from "./single-handler.ts";

export interface HandlerParts {
  readonly system: System;
  readonly output: HandlerOutput;
  readonly notice: Notice;
}

/** The handler that does what the settings say. */
export function makeHandler(settings: HandlerSettings, { system, output, notice }: HandlerParts): Handler {
  const { manner, captureStdout } = settings;
  // Where stdout is what goes into a stream, what comes too late for that belongs to the log.
  const stderr = (lines: Buffer): Promise<void> => output.stderr(lines);
  const late = captureStdout ? { stdout: stderr, stderr } : output;
  const processes = new Processes(system, settings, late);
  switch (manner.kind) {
    case "single":
      return new SingleHandler(settings, output, processes, notice);
    case "batch":
      return new BatchHandler(settings, manner.rule, output, processes, notice);
    case "persistent":
      return new PersistentHandler(settings, manner.ahead, output, processes, notice);
  }
}
