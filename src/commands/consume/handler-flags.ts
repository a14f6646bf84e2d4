import type { StdinForm } from "../../engine/handlers/payload.ts";
import { UsageError } from "../../errors.ts";

/** `entry`, `fields`, `none`, `field:NAME`, or `field:NAME?` for a field that may be missing. */
export function parseStdinForm(text: string): StdinForm {
  if (text === "entry" || text === "fields" || text === "none") return { kind: text };
  const [, name, mark] = /^field:(.+?)(\?)?$/s.exec(text) ?? [];
  if (name !== undefined) return { kind: "field", name, optional: mark !== undefined };
  throw new UsageError(`--stdin ${text}: give entry, fields, none, field:NAME or field:NAME?`);
}

/** `3,4` or `--dead-on 3 --dead-on 4` → a set of exit codes from 1 to 255. */
export function parseExitCodes(flag: string, texts: readonly string[]): Set<number> {
  const codes = new Set<number>();
  for (const text of texts.flatMap((list) => list.split(","))) {
    const code = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0;
    if (code < 1 || code > 255)
      throw new UsageError(`${flag} ${text}: an exit code is a number from 1 to 255`);
    codes.add(code);
  }
  return codes;
}
