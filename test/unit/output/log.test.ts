import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LineLimit } from "../../../src/output/line-limit.ts";
import { Log } from "../../../src/output/log.ts";

/** Takes nothing until it is let go. */
class Stalled extends Writable {
  text = "";
  #waiting: (() => void) | undefined;
  #going = false;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    if (this.#going) done();
    else this.#waiting = done;
  }

  letGo(): void {
    this.#going = true;
    this.#waiting?.();
  }
}

test("a log that nobody reads does not fill the memory, and says what it left out", async () => {
  const stream = new Stalled();
  const log = new Log(stream, { quiet: false, verbose: false });
  for (let n = 0; n < 40_000; n++) log.warn("x".repeat(90));
  expect(stream.writableLength).toBeLessThan(1_100_000);
  stream.letGo();
  await vi.waitFor(() => expect(stream.writableLength).toBe(0));
  log.warn("after");
  const lines = stream.text.trimEnd().split("\n");
  const [, leftOut] = /(\d+) lines were left out here: stderr was not read$/.exec(lines.at(-2) ?? "") ?? [];
  expect(lines.length - 2 + Number(leftOut)).toBe(40_000);
  expect(lines.at(-1)).toBe("streamctl: warning: after");
});

describe("a line limit", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("writes ten of a kind in a window, counts the rest, and begins anew", () => {
    const limit = new LineLimit();
    const summed: unknown[] = [];
    const say = (kind: string, n: number): number => {
      let written = 0;
      for (let i = 0; i < n; i++)
        if (limit.allows(kind, `${kind} ${i}`, (rest) => summed.push(rest))) written++;
      return written;
    };
    expect([say("dead", 25), say("lost", 3)]).toEqual([10, 3]);
    vi.advanceTimersByTime(10_000);
    expect(summed).toEqual([{ count: 15, last: "dead 24", windowMs: 10_000 }]);
    expect(say("dead", 11)).toBe(10);
    limit.flush();
    expect(summed).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});
