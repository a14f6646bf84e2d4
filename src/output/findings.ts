import { Chalk } from "chalk";
import type { Output } from "./output.ts";
import { safeText } from "./safe-text.ts";

/** What a report says of one thing. */
export interface Reported {
  readonly severity: "error" | "warning" | "info";
  /** What was looked at, and where. */
  readonly title: string;
  readonly evidence: string;
  readonly fix: string | null;
}

const COLORS = { error: "red", warning: "yellow", info: "gray" } as const;
const INDENT = " ".repeat(9);

/** Writes one finding as lines that are never cut: commands in it are there to be copied. */
export async function writeFinding(
  output: Output,
  { severity, title, evidence, fix }: Reported,
): Promise<void> {
  const paint = new Chalk({ level: output.color ? 1 : 0 });
  const mark = paint[COLORS[severity]](severity.padEnd(INDENT.length));
  const lines = [`${mark}${paint.bold(safeText(title))}`, `${INDENT}${safeText(evidence)}`];
  if (fix !== null) lines.push(`${INDENT}→ ${safeText(fix)}`);
  await output.write(`${lines.join("\n")}\n`);
}
