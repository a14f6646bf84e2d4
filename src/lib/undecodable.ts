import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";

/** What this process was given and Node altered: it puts U+FFFD where bytes are not UTF-8. */
export interface Altered {
  /** Arguments, with such bytes as `\xff`. */
  readonly arguments: readonly string[];
  /** Names of variables. */
  readonly variables: readonly string[];
}

/**
 * Finds it by the bytes that the kernel keeps. Without /proc whatever holds U+FFFD counts: one that was really
 * written is rarer than a file name of another encoding.
 */
export function findAltered(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Altered {
  return {
    arguments: alteredOf("cmdline", (all) => all.slice(-argv.length)) ?? argv.filter(suspect),
    variables: (
      alteredOf("environ", (all) => all) ?? Object.keys(env).filter((name) => suspect(env[name]))
    ).map((text) => text.replace(/=[^]*/, "")),
  };
}

function suspect(text: string | undefined): boolean {
  return text?.includes("\ufffd") ?? false;
}

function alteredOf(file: "cmdline" | "environ", choose: (all: string[]) => string[]): string[] | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(`/proc/self/${file}`);
  } catch {
    return undefined;
  }
  // Latin-1 keeps every byte. What follows the last NUL is nothing.
  const all = bytes.latin1Slice().split("\0").slice(0, -1);
  return choose(all)
    .filter((text) => !isUtf8(Buffer.from(text, "latin1")))
    .map((text) => text.replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`));
}
