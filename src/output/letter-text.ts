import type { DeadLetter } from "../engine/dlq/letter.ts";
import { idMs } from "../entry/id.ts";
import { agoText, timeText } from "./format.ts";
import { safeBytes, safeText, shortBytes } from "./safe-text.ts";
import { formatCount } from "../units.ts";

export interface LetterEnvironment {
  readonly stream: string;
  readonly dlq: string;
  /** Whether the original still stands in its stream; null when that is not known. */
  readonly inStream: boolean | null;
  readonly color: boolean;
}

/** One dead letter for people: what it was, how it failed, what it said, and its fields. Control characters are escaped. */
export async function letterText(letter: DeadLetter, around: LetterEnvironment): Promise<string> {
  const { Chalk } = await import("chalk");
  const style = new Chalk({ level: around.color ? 1 : 0 });
  const lines = facts(letter, around)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${style.bold(name.padEnd(WIDTH))}${safeText(value ?? "")}`);
  const { stderr, fields } = letter;
  if (stderr && stderr.length > 0) {
    lines.push(style.bold("stderr"));
    for (const line of splitLines(stderr)) lines.push(`  ${safeBytes(line)}`);
  }
  lines.push(style.bold("fields"));
  for (let at = 0; at + 1 < fields.length; at += 2)
    lines.push(
      `  ${style.cyan(shortBytes(fields[at] as Buffer, SHOWN))}=${shortBytes(fields[at + 1] as Buffer, SHOWN)}`,
    );
  return `${lines.join("\n")}\n`;
}

const WIDTH = 12;
/** Of larger values the beginning is shown; other formats print all of it. */
const SHOWN = 1024 * 1024;

type Fact = readonly [name: string, value: string | undefined];

function facts(letter: DeadLetter, { stream, dlq, inStream }: LetterEnvironment): Fact[] {
  const { id, originalId, layout, doubt, group, consumer, deliveries, reason, exit, failedAt, replays } =
    letter;
  const nowMs = Date.now();
  const still = inStream === null ? "" : inStream ? ", still there" : ", gone from there";
  const taken = layout === "native" ? undefined : doubt === undefined ? layout : `${layout}, but it ${doubt}`;
  const total =
    replays > 0 && letter.deliveriesTotal !== null
      ? `, ${formatCount(letter.deliveriesTotal, "delivery", "deliveries")} in all`
      : "";
  return [
    ["letter", `${id} in ${dlq}`],
    ["original", originalId === null ? undefined : `${originalId} in ${letter.stream ?? stream}${still}`],
    ["layout", taken],
    ["reason", reason ?? undefined],
    ["exit", exit ?? undefined],
    ["entered", originalId === null ? undefined : when(new Date(idMs(originalId)), nowMs)],
    ["delivered", deliveries === null ? undefined : delivered(deliveries, group, consumer)],
    ["failed", failedAt === null ? undefined : when(failedAt, nowMs)],
    ["replayed", replays === 0 ? "never" : `${formatCount(replays, "time")}${total}`],
  ];
}

function delivered(deliveries: number, group: string | null, consumer: string | null): string {
  const last = consumer === null ? "" : `, at last to ${consumer}`;
  return `${formatCount(deliveries, "time")} in ${group ?? "an unknown group"}${last}`;
}

/** A time and how long ago that is; where no calendar reaches, what there is. */
function when(at: Date, nowMs: number): string {
  return Number.isNaN(at.getTime()) ? "at an unknown time" : `${timeText(at)} (${agoText(at, nowMs)})`;
}

function splitLines(text: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(0x0a, at);
    lines.push(text.subarray(at, end < 0 ? text.length : end));
    at = end < 0 ? text.length : end + 1;
  }
  return lines;
}
