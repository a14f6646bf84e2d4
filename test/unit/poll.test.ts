import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Poll } from "../../src/engine/poll.ts";

describe("a poll", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("keeps what it saw last, and forgets it when a look fails", async () => {
    const looks: (() => Promise<number>)[] = [
      () => Promise.resolve(1),
      () => Promise.reject(new Error("away")),
      () => Promise.resolve(2),
    ];
    const failures: unknown[] = [];
    const poll = new Poll({
      look: () => (looks.shift() ?? (() => Promise.resolve(3)))(),
      everyMs: 5_000,
      onFailure: (error) => failures.push(error),
    });
    await vi.advanceTimersByTimeAsync(1);
    expect(poll.latest).toBe(1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(poll.latest).toBeUndefined();
    expect(failures).toHaveLength(1);
    // What is unknown is looked for again soon.
    await vi.advanceTimersByTimeAsync(1_000);
    expect(poll.latest).toBe(2);
    poll.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("looks one at a time, and less often when a look takes long", async () => {
    let begun = 0;
    const look = async (): Promise<number> => {
      begun++;
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      return begun;
    };
    const poll = new Poll({ look, everyMs: 1_000 });
    await vi.advanceTimersByTimeAsync(2_999);
    expect(poll.lookingMs).toBe(2_999);
    await vi.advanceTimersByTimeAsync(25_000);
    expect(begun).toBe(1);
    expect(poll.lookingMs).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(begun).toBe(2);
    poll.stop();
  });

  test("once stopped it takes no notice of the look under way", async () => {
    let finish: (value: number) => void = () => {};
    const look = (): Promise<number> =>
      new Promise((resolve) => {
        finish = resolve;
      });
    const poll = new Poll({ look, everyMs: 1_000 });
    poll.stop();
    finish(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(poll.latest).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });
});
