import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Answer, PagesAhead, type Part } from "../../src/engine/read/pages-ahead.ts";
import { compareIds } from "../../src/entry/id.ts";

const COUNT = 10;
const MOST = 8;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Far {
  readonly ids: readonly string[];
  readonly reverse?: boolean;
  readonly wanted?: number;
  readonly count?: () => number;
}

/** Reads all of a range whose server answers late; what was read, and how it was asked for. */
async function readAll({ ids, reverse = false, wanted = Infinity, count = () => COUNT }: Far) {
  const parts: Part[] = [];
  let underWay = 0;
  let most = 0;
  let sent = 0;
  let rounds = 0;
  let round: Promise<unknown> | undefined;
  /** What is asked for together is answered together. */
  const answered = (): Promise<unknown> =>
    (round ??= new Promise((resolve) => setTimeout(resolve, 4)).then(() => {
      rounds++;
      round = undefined;
    }));
  const sorted = reverse ? ids.toReversed() : ids;
  const [first, last] = reverse ? ["9999-9", "0-0"] : ["0-0", "9999-9"];
  const within = (id: string, { from, to }: Part): boolean =>
    reverse
      ? compareIds(id, from) <= 0 && compareIds(id, to) >= 0
      : compareIds(id, from) >= 0 && compareIds(id, to) <= 0;
  const ask = async (part: Part): Promise<Answer<string[]> | undefined> => {
    parts.push(part);
    most = Math.max(most, ++underWay);
    await answered();
    underWay--;
    const page = sorted.filter((id) => within(id, part)).slice(0, part.count);
    sent += page.length;
    const [firstId] = page;
    return firstId === undefined
      ? undefined
      : { page, rows: page.length, firstId, lastId: page.at(-1) as string };
  };
  const ahead = new PagesAhead({
    from: first,
    to: last,
    reverse,
    count,
    wanted,
    most: MOST,
    ask,
  });
  const read: string[] = [];
  const state = { done: false };
  const reading = (async () => {
    for (let answer = await ahead.next(); answer; answer = await ahead.next()) read.push(...answer.page);
  })().finally(() => (state.done = true));
  while (!state.done) await vi.advanceTimersByTimeAsync(4);
  await reading;
  return { read: read.slice(0, wanted), parts, most, sent, rounds };
}

const even = Array.from({ length: 500 }, (_, n) => `${100 + n * 3}-0`);

describe("pages read ahead", () => {
  test("are the range, each row once and in order, however its IDs lie", async () => {
    const id = fc.tuple(fc.nat(9_999), fc.oneof(fc.constant(0), fc.nat(9)));
    const property = fc.asyncProperty(
      fc.uniqueArray(id, { maxLength: 120, selector: (pair) => pair.join("-") }),
      fc.boolean(),
      async (pairs, reverse) => {
        const ids = pairs.map(([ms, seq]) => `${ms}-${seq}`).toSorted(compareIds);
        const { read, most } = await readAll({ ids, reverse });
        expect(read).toEqual(reverse ? ids.toReversed() : ids);
        expect(most).toBeLessThanOrEqual(3 * MOST);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  test("several are under way at once where IDs are even", async () => {
    const { read, most, parts } = await readAll({ ids: even });
    expect(read).toEqual(even);
    expect(most).toBe(MOST);
    // A page that had to be read in two parts would start where a segment has been asked for already.
    expect(parts.length).toBeLessThan((even.length / COUNT) * 1.5);
  });

  test.each<[string, number, (n: number) => readonly [ms: number, seq: number]]>([
    ["bursts of one millisecond, far apart", 20, (n) => [1_000 + Math.trunc(n / 100) * 500, n % 100]],
    ["a page in about a millisecond", 15, (n) => [1_000 + Math.trunc(n / 7), n % 7]],
    ["a page and a half in a millisecond", 15, (n) => [1_000 + Math.trunc(n / 15), n % 15]],
    ["three pages in a millisecond", 18, (n) => [1_000 + Math.trunc(n / 30), n % 30]],
    ["one millisecond for all", 13, (n) => [1_000, n + 1]],
    ["first few, then many", 35, (n) => (n < 250 ? [n * 10, 0] : [2_500 + Math.trunc(n / 10), n % 10])],
  ])(
    "are the range in few round trips, and not many reads more than it has pages: %s",
    async (_name, most, idOf) => {
      const ids = Array.from({ length: 500 }, (_, n) => idOf(n).join("-"));
      const { read, parts, rounds } = await readAll({ ids });
      expect(read).toEqual(ids);
      expect(parts.length).toBeLessThan((ids.length / COUNT) * 2.5);
      expect(rounds).toBeLessThanOrEqual(most);
    },
  );

  test("no more is asked for than is wanted", async () => {
    const { read, sent } = await readAll({ ids: even, wanted: 73 });
    expect(read).toEqual(even.slice(0, 73));
    expect(sent).toBeLessThan(73 + COUNT);
  });

  test("an entry that is a page by itself is read alone", async () => {
    const { read, most } = await readAll({ ids: even.slice(0, 20), count: () => 1 });
    expect(read).toEqual(even.slice(0, 20));
    expect(most).toBe(1);
  });
});
