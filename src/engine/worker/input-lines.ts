import { type StdinForm, stdinFor } from "./payload.ts";
import type { Delivery, Outcome } from "./types.ts";

const LINE_END = Buffer.from("\n");

/**
 * An entry as one line among others on a handler's stdin, line end included; nothing for the form `none`.
 * Undefined when it can't be one line: the bytes of a field that hold a line end themselves.
 */
export function inputLine(delivery: Delivery, form: StdinForm, consumer: string): Buffer | undefined {
  const bytes = stdinFor(delivery, form, consumer);
  if (form.kind !== "field") return bytes;
  return bytes.includes(LINE_END) ? undefined : Buffer.concat([bytes, LINE_END]);
}

/** What becomes of an entry that is no line; no retry would help. */
export function noLine(form: StdinForm): Outcome {
  const field = form.kind === "field" ? form.name : "";
  const reason = `field ${field} holds a line end: it can't be one line among others, --stdin entry can`;
  return { kind: "answer", answer: "dead", reason, stderr: Buffer.alloc(0) };
}
