import type { Redis } from "ioredis";
import { expect } from "vitest";
import { partitionOf } from "../../../src/engine/produce/partitions.ts";
import type { CliResult, CliRun } from "../../support/cli.ts";
import { until } from "../../support/redis.ts";

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
  partitions?: { stream: string; inRedis: number; alreadyThere: number }[];
}

/** The JSON summary on stderr of a run with `-o json`. */
export function summaryOf({ stderr }: CliResult): Summary {
  const line = stderr.split("\n").find((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`no summary in ${stderr}`);
  return JSON.parse(line) as Summary;
}

/** The run has been told that so many entries are in Redis, which comes after they are: with --ids it prints each then. */
export async function answered(run: CliRun, entries: number): Promise<void> {
  await until(`${entries} are answered`, () => run.stdout.split("\n").length > entries);
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

/** NDJSON lines with the customers c-0 … c-6 in turn: `{"n":"1","customer":"c-1"}`, … */
export function byCustomer(first: number, last: number): string {
  let text = "";
  for (let n = first; n <= last; n++) text += `{"n":"${n}","customer":"c-${n % 7}"}\n`;
  return text;
}

/** Lines 1 … `last` of `byCustomer` stand each in the partition of their customer, once, in order. */
export async function expectPartitioned(
  last: number,
  partitions: number,
  valuesIn: (index: number) => Promise<string[]>,
): Promise<void> {
  const expected = Array.from({ length: partitions }, (): string[] => []);
  for (let n = 1; n <= last; n++)
    expected[partitionOf(Buffer.from(`c-${n % 7}`), partitions)]?.push(String(n));
  for (let index = 0; index < partitions; index++) expect(await valuesIn(index)).toEqual(expected[index]);
}
