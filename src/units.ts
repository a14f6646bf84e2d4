import parseBytes from "bytes";
import ms, { type StringValue } from "ms";

/** XCLAIM takes an idle time that begins before 1970 for none, so no duration is longer than this. */
const MAX_DURATION_MS = 50 * 365.25 * 24 * 60 * 60 * 1_000;

/** `250ms 30s 5m 12h 7d` → milliseconds; undefined when it is none or over 50 years. A bare `0` is 0. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^\d+(\.\d+)?(ms|s|m|h|d|w)$/.test(text)) return undefined;
  const exact = ms(text as StringValue);
  // 0 often means "none": what is shorter than a millisecond is one.
  const duration = exact > 0 ? Math.max(1, Math.round(exact)) : 0;
  return duration <= MAX_DURATION_MS ? duration : undefined;
}

/** `64kb 10mb 512` → bytes (1 kb = 1024); undefined when it is none. */
export function parseSize(text: string): number | undefined {
  if (!/^\d+(\.\d+)?(b|kb|mb|gb|tb)?$/i.test(text)) return undefined;
  return parseBytes.parse(text) ?? undefined;
}

/** `500 10k 1m` → a whole number (k = 1000, m = 1000000); undefined when it is none. */
export function parseCount(text: string): number | undefined {
  const match = /^(\d+)(k|m)?$/i.exec(text);
  if (!match) return undefined;
  const factor = { k: 1_000, m: 1_000_000 }[match[2]?.toLowerCase() ?? ""] ?? 1;
  const count = Number(match[1]) * factor;
  return Number.isSafeInteger(count) ? count : undefined;
}

/** `500/s 30/m 1000/h`, or a bare number per second → events per second; undefined when it is none. */
export function parseRate(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(k|m)?(?:\/(s|m|h))?$/i.exec(text);
  if (!match) return undefined;
  const factor = { k: 1_000, m: 1_000_000 }[match[2]?.toLowerCase() ?? ""] ?? 1;
  const per = { s: 1, m: 60, h: 3_600 }[match[3]?.toLowerCase() ?? "s"] ?? 1;
  const rate = (Number(match[1]) * factor) / per;
  return rate > 0 ? rate : undefined;
}

/** Milliseconds for people: `250ms`, `3.2s`, `5m 10s`, `2h 3m`, `7d 1h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)}ms`;
  const seconds = milliseconds / 1_000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}s`;
  const whole = Math.round(seconds);
  const units: [number, string][] = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "m"],
    [1, "s"],
  ];
  const first = units.findIndex(([size]) => whole >= size);
  const [size, unit] = units[first] as [number, string];
  const next = units[first + 1];
  const rest = next ? Math.floor((whole % size) / next[0]) : 0;
  return `${Math.floor(whole / size)}${unit}${rest > 0 && next ? ` ${rest}${next[1]}` : ""}`;
}

/** `1 entry`, `2 entries`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

/** A duration as flags take it, in the largest unit it is a whole number of: `90m`, `1d`. */
export function durationFlag(milliseconds: number): string {
  const whole = Math.round(milliseconds);
  const [size, unit] = UNITS.find(([ms]) => whole > 0 && whole % ms === 0) ?? [1, "ms"];
  return `${whole / size}${unit}`;
}

const UNITS: readonly (readonly [ms: number, unit: string])[] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
];

/** A number for people, with thin spaces between groups of three digits from 10 000 on. */
export function formatNumber(value: number): string {
  const text = String(value);
  return /^\d{5,}$/.test(text) ? text.replace(/\B(?=(\d{3})+$)/g, "\u202f") : text;
}
