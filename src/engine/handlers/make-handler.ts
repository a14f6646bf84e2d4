import { BatchHandler } from "./batch-handler.ts";
import type { Handler, HandlerOutput, HandlerSettings, Notice } from "./handler.ts";
import { PersistentHandler } from "./persistent-handler.ts";
import { openHttpClient, type PostSettings } from "./post.ts";
import { Processes, type System } from "./processes.ts";
import { SingleHandler } from "./single-handler.ts";

export interface HandlerParts {
  readonly system: System;
  readonly output: HandlerOutput;
  readonly notice: Notice;
}

/** The handler that does what the settings say: one for commands, or one that posts. */
export async function makeHandler(
  settings: HandlerSettings | PostSettings,
  parts: HandlerParts,
): Promise<Handler> {
  if (!("target" in settings)) return commandHandler(settings, parts);
  const { PostHandler } = await import("./post-handler.ts");
  return new PostHandler(settings, await openHttpClient(settings), parts.notice);
}

function commandHandler(settings: HandlerSettings, { system, output, notice }: HandlerParts): Handler {
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
