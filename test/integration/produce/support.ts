import type { Redis } from "ioredis";
import type { CliResult } from "../../support/cli.ts";

/** Every entry of a stream as text: its ID, then names and values. */
export async function entriesOf(redis: Redis, key: string): Promise<string[][]> {
  const entries = await redis.xrangeBuffer(key, "-", "+");
  return entries.map(([id, fields]) => [id.toString(), ...fields.map((field) => field.toString())]);
}

/** The values of each entry's first field, in stream order. */
export async function valuesOf(redis: Redis, key: string): Promise<string[]> {
  return (await entriesOf(redis, key)).map((entry) => entry[2] as string);
}

export interface Summary {
  stream: string;
  inRedis: number;
  alreadyThere: number;
  rejected: number;
  unknownLines: [number, number][];
  lastLine: number;
  laterLines: [number, number][];
  complete: boolean;
  error: string | null;
}

/** The JSON summary on stderr of a run with `-o json`. */
export function summaryOf({ stderr }: CliResult): Summary {
  const line = stderr.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`no summary in ${stderr}`);
  return JSON.parse(line) as Summary;
}

/** NDJSON lines `{"n":"1"}`, `{"n":"2"}`, … */
export function numbered(first: number, last: number): string {
  let text = "";
  for (let n = first; n <= last; n++) text += `{"n":"${n}"}\n`;
  return text;
}

export function numbers(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, i) => String(first + i));
}
