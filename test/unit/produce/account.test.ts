import { describe, expect, test } from "vitest";
import { streamKey } from "../../../src/entry/names.ts";
import { BadLine } from "../../../src/entry/sources/source.ts";
import { ConnectionError, StreamctlError } from "../../../src/errors.ts";
import { Account } from "../../../src/engine/produce/account.ts";

function accountOf(lastLine: number, onBadLine: "stop" | "skip" = "skip"): Account {
  const account = new Account({ streams: [streamKey("orders")], skipLines: 0, onBadLine, events: {} });
  account.read(lastLine);
  return account;
}

function accept(account: Account, line: number, how: "written" | "present" = "written"): void {
  account.accept(0, line, how, Buffer.from("1-1"));
}

describe("which lines are in Redis", () => {
  test("without failures: all that were read", () => {
    const account = accountOf(3);
    for (const line of [1, 2, 3]) accept(account, line);
    expect(account).toMatchObject({ written: 3, through: 3, laterLines: [], unknownLines: [] });
  });

  test("a refused line holds `through` back, and later ones that got in are named", () => {
    const account = accountOf(9);
    for (const line of [1, 2]) accept(account, line);
    account.keepOpen(3, "unwritten");
    for (const line of [4, 5]) accept(account, line);
    account.keepOpen(6, "unwritten");
    accept(account, 8);
    expect(account).toMatchObject({
      written: 5,
      through: 2,
      laterLines: [
        [4, 5],
        [8, 8],
      ],
    });
  });

  test("once the refused line is in after all, everything is", () => {
    const account = accountOf(4);
    account.keepOpen(2, "unwritten");
    accept(account, 3);
    accept(account, 2, "present");
    expect(account).toMatchObject({ written: 1, present: 1, inRedis: 2, through: 4, laterLines: [] });
  });

  test("a line that is rejected for good is done with", () => {
    const account = accountOf(4);
    account.keepOpen(2, "unwritten");
    account.reject(new BadLine(2, "no entry"), undefined);
    expect(account).toMatchObject({ rejected: 1, through: 4 });
  });

  test("lines in doubt are told from lines that are certainly not there", () => {
    const account = accountOf(7);
    account.keepOpen(7, "unknown");
    account.keepOpen(5, "unknown");
    account.keepOpen(6, "unknown");
    account.keepOpen(2, "unwritten");
    expect(account).toMatchObject({ unknown: 3, unknownLines: [[5, 7]], through: 1 });
  });
});

describe("why a run ends", () => {
  test("a bad line that ends the run is rejected, and where a later run begins again; what was read is sent", () => {
    const account = accountOf(3, "stop");
    account.reject(new BadLine(3, "no entry"), undefined);
    expect(account).toMatchObject({ rejected: 1, through: 2, ended: true, stopped: false });
    expect(account.failure(streamKey("orders"))).toMatchObject({
      kind: "partial",
      message: "line 3: no entry",
    });
  });

  test("a failure of sending stops the sending, and the first one is the run's", () => {
    const account = accountOf(1);
    account.fail(new StreamctlError("notFound", "no such stream"));
    account.fail(new StreamctlError("failed", "another"));
    expect(account).toMatchObject({ ended: true, stopped: true });
    expect(account.failure(streamKey("orders"))?.message).toBe("no such stream");
  });

  test("that an outcome is unknown outweighs every other failure, and says what was lost", () => {
    const account = accountOf(2);
    account.endInput(new StreamctlError("failed", "could not read the input"));
    account.keepOpen(2, "unknown");
    account.lose(new ConnectionError("lost the connection to a"));
    expect(account.stopped).toBe(true);
    expect(account.failure(streamKey("orders"))).toMatchObject({
      kind: "unknownOutcome",
      message:
        "lost the connection to a; nobody knows whether one entry sent without a reply got into orders",
    });
  });

  test("what is no failure of the run is a bug, and thrown", () => {
    const account = accountOf(1);
    expect(() => account.endInput(new TypeError("x"))).toThrow(TypeError);
    expect(() => account.fail(new TypeError("x"))).toThrow(TypeError);
    expect(account.ended).toBe(false);
  });
});
