import { describe, expect, test } from "vitest";
import { Ledger } from "../../../src/engine/produce/ledger.ts";

function ledgerOf(lastLine: number): Ledger {
  const ledger = new Ledger();
  ledger.lastLine = lastLine;
  return ledger;
}

describe("which lines are in Redis", () => {
  test("without trouble: all that were read", () => {
    const ledger = ledgerOf(3);
    for (const line of [1, 2, 3]) ledger.accept(line);
    expect(ledger).toMatchObject({ written: 3, through: 3, laterLines: [], unknownLines: [] });
  });

  test("a refused line holds `through` back, and later ones that got in are named", () => {
    const ledger = ledgerOf(9);
    for (const line of [1, 2]) ledger.accept(line);
    ledger.keepOpen(3, "unwritten");
    for (const line of [4, 5]) ledger.accept(line);
    ledger.keepOpen(6, "unwritten");
    ledger.accept(8);
    expect(ledger).toMatchObject({
      written: 5,
      through: 2,
      laterLines: [
        [4, 5],
        [8, 8],
      ],
    });
  });

  test("once the refused line is in after all, everything is", () => {
    const ledger = ledgerOf(4);
    ledger.keepOpen(2, "unwritten");
    ledger.accept(3);
    ledger.accept(2, "present");
    expect(ledger).toMatchObject({ written: 1, present: 1, inRedis: 2, through: 4, laterLines: [] });
  });

  test("a line that is rejected for good is done with", () => {
    const ledger = ledgerOf(4);
    ledger.keepOpen(2, "unwritten");
    ledger.reject(2);
    expect(ledger).toMatchObject({ rejected: 1, through: 4 });
  });

  test("lines in doubt are told from lines that are certainly not there", () => {
    const ledger = ledgerOf(7);
    ledger.keepOpen(7, "unknown");
    ledger.keepOpen(5, "unknown");
    ledger.keepOpen(6, "unknown");
    ledger.keepOpen(2, "unwritten");
    expect(ledger).toMatchObject({ unknown: 3, unknownLines: [[5, 7]], through: 1 });
  });
});
