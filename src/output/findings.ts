import { Chalk } from "chalk";
import type { Output } from "./output.ts";
import { safeText } from "./safe-text.ts";
import { textWidth } from "./text-width.ts";
import { wrapWords } from "./wrap.ts";

/** What a report says of one thing. */
export interface Reported {
  readonly severity: "error" | "warning" | "info";
  /** What was looked at, and where. */
  readonly title: readonly string[];
  readonly evidence: string;
  readonly fix: string | null;
}

const COLORS = { error: "red", warning: "yellow", info: "gray" } as const;
const INDENT = " ".repeat(9);
const ARROW = "→ ";

/**
 * Writes one finding as lines that are broken between words and never cut: commands in it are there to be
 * copied. Import this file lazily: it brings chalk and string-width.
 */
export async function writeFinding(
  output: Output,
  { severity, title, evidence, fix }: Reported,
): Promise<void> {
  const paint = new Chalk({ level: output.color ? 1 : 0 });
  const [head = "", ...places] = titleLines(title, output.room).map((line) => paint.bold(line));
  const lines = [
    paint[COLORS[severity]](severity.padEnd(INDENT.length)) + head,
    ...places.map((line) => INDENT + line),
    ...indented(evidence, INDENT, output.room),
  ];
  if (fix !== null) {
    const [first = "", ...more] = indented(fix, INDENT + " ".repeat(ARROW.length), output.room);
    lines.push(INDENT + ARROW + first.trimStart(), ...more);
  }
  await output.write(`${lines.join("\n")}\n`);
}

/** The parts on as few lines as they fit into, none of them broken. */
function titleLines(parts: readonly string[], room: number = Number.POSITIVE_INFINITY): string[] {
  const lines: string[] = [];
  for (const part of parts.map((each) => safeText(each))) {
    const longer = lines.length === 0 ? part : `${lines.at(-1)}  ${part}`;
    if (lines.length > 0 && textWidth(longer) <= room - INDENT.length) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}

function indented(text: string, indent: string, room: number = Number.POSITIVE_INFINITY): string[] {
  return wrapWords(safeText(text), room - indent.length, textWidth).map((line) => indent + line);
}
