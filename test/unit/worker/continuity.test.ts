import { describe, expect, test } from "vitest";
import { Continuity } from "../../../src/engine/worker/restore.ts";

describe("whether all that a consumer had may have been thrown away without a sign", () => {
  test("not while it has got nothing since: a consumer that was deleted would be missing", () => {
    const continuity = new Continuity();
    continuity.got(10);
    expect(continuity.mayHaveBroken(10, continuity.gotAt)).toBe(false);
    continuity.got(20);
    expect(continuity.mayHaveBroken(10, continuity.gotAt)).toBe(true);
  });

  test("not in the time in which it still had an entry that it got before", () => {
    const continuity = new Continuity();
    continuity.got(10);
    continuity.got(20);
    continuity.stillHad(9, 21);
    expect(continuity.mayHaveBroken(10, continuity.gotAt)).toBe(false);
    continuity.got(30);
    expect(continuity.mayHaveBroken(10, continuity.gotAt)).toBe(true);
  });

  test("spans that overlap prove all of their time, ones with a gap between them the last", () => {
    const joined = new Continuity();
    joined.stillHad(5, 15);
    joined.stillHad(12, 40);
    expect(joined.mayHaveBroken(10, 40)).toBe(false);
    const apart = new Continuity();
    apart.stillHad(5, 15);
    apart.stillHad(16, 40);
    expect(apart.mayHaveBroken(10, 40)).toBe(true);
    expect(apart.mayHaveBroken(20, 40)).toBe(false);
  });

  test("what was thrown away and is pending again proves nothing of the time before", () => {
    const continuity = new Continuity();
    continuity.stillHad(5, 15);
    continuity.broke(20);
    expect(continuity.brokenSince(19)).toBe(true);
    expect(continuity.brokenSince(20)).toBe(false);
    continuity.stillHad(5, 40);
    expect(continuity.mayHaveBroken(10, 40)).toBe(true);
    expect(continuity.mayHaveBroken(30, 40)).toBe(false);
  });
});
