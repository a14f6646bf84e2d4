import type { Pause } from "../../redis/ops/pause.ts";

/** `since 2026-11-27T03:00:00Z by ada@host until …: reason`, as far as it is known. */
export function pauseText({ since, until, by, reason }: Pause): string {
  const parts = [
    since === null ? "" : `since ${rfc3339(since)}`,
    by === null ? "" : `by ${by}`,
    until === null ? "until it is resumed" : `until ${rfc3339(until)}`,
  ];
  return `${parts.filter((part) => part !== "").join(" ")}${reason === null ? "" : `: ${reason}`}`;
}

/** To the second. */
export function rfc3339(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
