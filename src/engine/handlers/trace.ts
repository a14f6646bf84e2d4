import { isUtf8 } from "node:buffer";
import type { Entry } from "../../entry/entry.ts";
import type { Notice } from "./handler.ts";

/** W3C's trace context and baggage, as OpenTelemetry passes them on in an environment. */
const NAMES = ["TRACEPARENT", "TRACESTATE", "BAGGAGE"] as const;

type Variables = Record<string, string>;

/** As much as W3C asks to pass on of the longest of them. */
const MAX_VALUE = 8 * 1024;

/**
 * The variables of an entry's trace: its fields of these names, in any case, because they are names of headers; the first
 * of equal ones. What could not be a header's value is left out, and said once.
 */
export class TraceContext {
  readonly #notice: Notice;
  #told = false;

  constructor(notice: Notice) {
    this.#notice = notice;
  }

  /** Undefined for an entry without any, as most are. */
  variables({ fields }: Entry): Variables | undefined {
    let variables: Variables | undefined;
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = traceName(fields[i] as Buffer);
      if (name === undefined || variables?.[name] !== undefined) continue;
      const value = fields[i + 1] as Buffer;
      const fault = faultOf(value);
      if (fault !== undefined) this.#tell(`${name} is left out: a field of that name ${fault}`);
      else if (value.length > 0) (variables ??= {})[name] = value.toString("utf8");
    }
    return variables;
  }

  #tell(message: string): void {
    if (this.#told) return;
    this.#told = true;
    this.#notice("warn", `${message}; others like it are left out without a word`);
  }
}

/** The variables that tell of a trace, where there are any: in a line of a waiting shell they stand apart. */
export function traceOf(variables: Readonly<Variables>): readonly string[] | undefined {
  if (NAMES.every((name) => variables[name] === undefined)) return undefined;
  return NAMES.map((name) => variables[name] ?? "");
}

/** Without the variables of a trace: those of the worker's own say nothing of an entry. */
export function withoutTrace<Value>(env: Readonly<Record<string, Value>>): Record<string, Value> {
  const rest = { ...env };
  for (const name of NAMES) delete rest[name];
  return rest;
}

/** Shell that puts a line's trace, in variables of their own, into the environment. */
export const EXPORT_TRACE = NAMES.map(
  (name, at) => `[ -z "$__streamctl_t${at}" ] || export ${name}="$__streamctl_t${at}"`,
);

function traceName(field: Buffer): string | undefined {
  const { length } = field;
  if (length !== 11 && length !== 10 && length !== 7) return undefined;
  const name = field.latin1Slice().toUpperCase();
  return NAMES.find((known) => known === name);
}

function faultOf(value: Buffer): string | undefined {
  if (value.length > MAX_VALUE) return `is longer than ${MAX_VALUE} bytes`;
  if (value.some((byte) => byte < 0x20 || byte === 0x7f)) return "has control characters";
  return isUtf8(value) ? undefined : "is not UTF-8";
}
