import { joinPayloads, noField, type Payload, type StdinForm, stdinFor } from "./payload.ts";
import type { Delivery, Outcome } from "./types.ts";

const LINE_END = Buffer.from("\n");

/**
 * An entry as one line among others on a handler's stdin, line end included; nothing for the form `none`.
 * An outcome when it can't be one: there is no such field, or its bytes hold a line end themselves.
 */
export function inputLine(
  delivery: Delivery,
  form: StdinForm,
  consumer: string,
): { readonly line: Payload } | { readonly outcome: Outcome } {
  const payload = stdinFor(delivery, form, consumer);
  if (form.kind !== "field") return { line: payload ?? Buffer.alloc(0) };
  if (!payload) return { outcome: noField(form) };
  if (Buffer.isBuffer(payload) && payload.includes(LINE_END)) return { outcome: noLine(form.name) };
  return { line: joinPayloads([payload, LINE_END]) };
}

/** No retry would help. */
function noLine(field: string): Outcome {
  const reason = `field ${field} holds a line end: it can't be one line among others, --stdin entry can`;
  return { kind: "answer", answer: "dead", reason, stderr: Buffer.alloc(0) };
}
