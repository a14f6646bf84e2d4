import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AnswerSheet, parseAnswer, quoted } from "../../../src/engine/handlers/answers.ts";
import type { Job } from "../../../src/engine/handlers/handler.ts";
import { streamKey } from "../../../src/entry/names.ts";
import { entryId } from "../../support/ids.ts";

function job(stream: string, id: string): Job {
  return { stream: streamKey(stream), entry: { id: entryId(id), fields: [] }, deliveries: 1 };
}

const line = (text: string): Buffer => Buffer.from(text);

describe("an answer", () => {
  test.each([
    ["ok", { answer: "ok" }],
    ["ok\r", { answer: "ok" }],
    ["ok  ", { answer: "ok" }],
    ["retry no stock", { answer: "retry", reason: "no stock" }],
    ["dead \t bad order \r", { answer: "dead", reason: "bad order" }],
    ["retry", { answer: "retry", reason: "the command said retry" }],
    ["dead ", { answer: "dead", reason: "the command said dead" }],
    ["retry in 5m", { answer: "retry", delayMs: 300_000, reason: "the command said retry" }],
    ["retry in 1.5s \t their limit\r", { answer: "retry", delayMs: 1_500, reason: "their limit" }],
    ["retry in 0 again", { answer: "retry", delayMs: 0, reason: "again" }],
    ["retry in the morning", { answer: "retry", reason: "in the morning" }],
    ["retry in 5 minutes", { answer: "retry", reason: "in 5 minutes" }],
    ["retry in", { answer: "retry", reason: "in" }],
    ["retry index is stale", { answer: "retry", reason: "index is stale" }],
    ["snooze 2h", { answer: "snooze", delayMs: 7_200_000, reason: "the command said snooze" }],
    ["snooze \t250ms  not open yet\r", { answer: "snooze", delayMs: 250, reason: "not open yet" }],
    ["dead in 5m", { answer: "dead", reason: "in 5m" }],
  ])("%j is understood", (text, expected) => {
    expect(parseAnswer(line(text))).toEqual(expected);
  });

  test.each([
    "",
    " ok",
    "OK",
    "okay",
    "ok then",
    "retrying",
    "deadly",
    "processed 1",
    "1-1 ok",
    "\0ok",
    "snooze",
    "snooze later",
    "snooze 5",
    "snooze in 5m",
    "snooze -1s",
    "snooze 51y",
  ])("%j is nonsense, not a guess", (text) => {
    expect(parseAnswer(line(text))).toBeUndefined();
  });

  test("a delay is what stands there and a reason what follows it, whatever they are; all else is no word", () => {
    const blank = fc.constantFrom(" ", "\t", "  \t");
    const duration = fc.tuple(fc.nat(10_000), fc.constantFrom("ms", "s", "m", "h", "d"));
    const text = fc.string({ maxLength: 20 });
    const reasonIn = (rest: string, word: string): string => {
      const reason = rest.trim();
      return reason === ""
        ? `the command said ${word}`
        : reason.slice(0, 1_024) + (reason.length > 1_024 ? "…" : "");
    };
    fc.assert(
      fc.property(
        fc.constantFrom("retry", "snooze"),
        duration,
        blank,
        text,
        (word, [count, unit], gap, rest) => {
          const how = word === "retry" ? "retry in" : "snooze";
          const said = parseAnswer(line(`${how}${gap}${count}${unit}${gap}${rest}`));
          const delayMs = count * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as "ms"];
          expect(said).toEqual({
            answer: word,
            delayMs,
            reason: reasonIn(Buffer.from(rest).toString(), word),
          });
        },
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const said = parseAnswer(Buffer.from(bytes));
        if (said) expect(Buffer.from(bytes).toString()).toMatch(/^(ok|retry|dead|snooze)(\s|$)/);
      }),
    );
  });

  test("a reason is cut before it fills the log, and bytes that are no text do no harm", () => {
    const long = parseAnswer(line(`dead ${"x".repeat(100_000)}`));
    expect(long).toMatchObject({ answer: "dead" });
    expect(long?.answer === "dead" && long.reason.length).toBeLessThan(1_100);
    expect(parseAnswer(Buffer.from([0x64, 0x65, 0x61, 0x64, 0x20, 0xff]))).toEqual({
      answer: "dead",
      reason: "\ufffd",
    });
  });

  test("a quoted line is short and holds no control characters", () => {
    expect(quoted(line(`\x1b[31m${"y".repeat(1_000_000)}`)).length).toBeLessThan(120);
    expect(quoted(line("\x1b[31mred\0"))).toBe('"\\u001b[31mred\\u0000"');
  });
});

describe("results of a batch", () => {
  test("each line settles the entry it names; the last word on an entry counts", () => {
    const [one, two, three] = [job("s", "1-1"), job("s", "2-1"), job("s", "3-1")] as const;
    const sheet = new AnswerSheet([one, two, three]);
    for (const text of ["2-1 retry busy", "1-1 ok", "2-1 dead no such customer"])
      expect(sheet.note(line(text))).toBeUndefined();
    expect(sheet.of(one)).toEqual({ answer: "ok" });
    expect(sheet.of(two)).toEqual({ answer: "dead", reason: "no such customer" });
    expect(sheet.of(three)).toBeUndefined();
  });

  test("an ID that occurs in several streams needs its stream, and is never guessed", () => {
    const [ofA, ofB] = [job("a b", "1-1"), job("b", "1-1")] as const;
    const sheet = new AnswerSheet([ofA, ofB]);
    expect(sheet.note(line("1-1 dead wrong one"))).toContain("several streams");
    expect([sheet.of(ofA), sheet.of(ofB)]).toEqual([undefined, undefined]);
    expect(sheet.note(line("a b 1-1 retry later"))).toBeUndefined();
    expect(sheet.of(ofA)).toEqual({ answer: "retry", reason: "later" });
    expect(sheet.of(ofB)).toBeUndefined();
  });

  test("a stream may also be named where it need not, even one that looks like an ID", () => {
    const entry = job("1-1", "2-2");
    const sheet = new AnswerSheet([entry]);
    expect(sheet.note(line("1-1 2-2 ok"))).toBeUndefined();
    expect(sheet.of(entry)).toEqual({ answer: "ok" });
  });

  test.each([
    ["9-9 ok", "9-9 is not in this batch"],
    ["s 9-9 ok", "9-9 of s is not in this batch"],
    ["t 1-1 ok", "is no result"],
    ["1-1", "is no result"],
    ["1-1 fine", "is no result"],
    ["ok", "is no result"],
    ["", "is no result"],
    ["01-1 ok", "01-1 is not in this batch"],
  ])("%j settles nothing and says why", (text, complaint) => {
    const entry = job("s", "1-1");
    const sheet = new AnswerSheet([entry]);
    expect(sheet.note(line(text))).toContain(complaint);
    expect(sheet.of(entry)).toBeUndefined();
  });

  test("no line, whatever it holds, settles an entry other than the one it names", () => {
    const word = fc.constantFrom(
      "1-1",
      "2-1",
      "a",
      "b",
      "ok",
      "retry",
      "dead",
      "snooze",
      "1s",
      "in",
      " ",
      "\t",
      "x",
      "\0",
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (words) => {
        const unit = [job("a", "1-1"), job("b", "1-1"), job("b", "2-1")];
        const sheet = new AnswerSheet(unit);
        const text = words.join("");
        const complaint = sheet.note(line(text));
        const settled = unit.filter((entry) => sheet.of(entry) !== undefined);
        expect(settled.length).toBe(complaint === undefined ? 1 : 0);
        for (const { stream, entry } of settled) {
          const named = entry.id === "2-1" ? /^(b )?2-1[ \t]/ : new RegExp(`^${stream} 1-1[ \\t]`);
          expect(text).toMatch(named);
        }
      }),
    );
  });
});
