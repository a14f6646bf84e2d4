import type { GroupStanding, ShownEntry } from "../engine/show/show.ts";
import { idMs } from "../entry/id.ts";
import { formatCount } from "../units.ts";
import { fieldLines } from "./entry-text.ts";
import { durationText, sizeText, timeText } from "./format.ts";
import { safeText } from "./safe-text.ts";

/** One entry for people: when it came, how large it is, where it stands with each group, its fields. */
export async function entryPage(
  { stream, entry, ageMs, bytes, groups }: ShownEntry,
  color: boolean,
): Promise<string> {
  const { Chalk } = await import("chalk");
  const style = new Chalk({ level: color ? 1 : 0 });
  const age = ageMs === null ? "" : ` (${durationText(ageMs)} ago)`;
  const lines = [
    `${style.bold(entry.id)}  ${safeText(stream)}`,
    `${label("added")}${timeText(idMs(entry.id))}${age}`,
    `${label("size")}${sizeText(bytes)}, ${formatCount(entry.fields.length / 2, "field")}`,
  ];
  if (groups.length === 0) lines.push(`${label("groups")}none`);
  for (const [at, standing] of groups.entries())
    lines.push(`${label(at === 0 ? "groups" : "")}${safeText(standing.group)}: ${safeText(words(standing))}`);
  return `${lines.join("\n")}\n${style.dim("fields")}\n${fieldLines(entry.fields, style, "  ")}`;

  function label(text: string): string {
    return style.dim(text.padEnd(WIDTH));
  }
}

const WIDTH = 8;

function words({ state, consumer, idleMs, deliveries }: GroupStanding): string {
  if (state === "undelivered") return "not delivered yet";
  if (state === "passed") return "passed: acked, or skipped";
  const idle = idleMs === null ? "waiting" : `for ${durationText(idleMs)}`;
  return `pending with ${consumer}, ${idle}, ${formatCount(deliveries ?? 0, "delivery", "deliveries")}`;
}
