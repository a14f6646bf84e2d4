import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineCutter, tagLines, Tail } from "../../../src/lib/lines.ts";

describe("whole lines", () => {
  test("however a stream is cut, the lines are the same and each piece ends with a line end", () => {
    const byte = fc.constantFrom(10, 97, 98, 255);
    fc.assert(
      fc.property(fc.array(fc.array(byte, { maxLength: 20 }), { maxLength: 30 }), (chunks) => {
        const cutter = new LineCutter({ maxLine: 1_000 });
        const pieces: Buffer[] = [];
        for (const chunk of chunks) {
          const lines = cutter.push(Buffer.from(chunk));
          if (lines) pieces.push(lines);
        }
        const rest = cutter.end();
        if (rest) pieces.push(rest);
        for (const piece of pieces) expect(piece.at(-1)).toBe(10);
        const all = Buffer.from(chunks.flat());
        const expected =
          all.length === 0 || all.at(-1) === 10 ? all : Buffer.concat([all, Buffer.from("\n")]);
        expect(Buffer.concat(pieces).equals(expected)).toBe(true);
      }),
    );
  });

  const byte = fc.constantFrom(10, 97, 98);
  const chunksOf = fc.array(fc.array(byte, { maxLength: 12 }), { maxLength: 30 });

  test("no line is cut: one that is too long is left out whole, and told", () => {
    fc.assert(
      fc.property(chunksOf, (chunks) => {
        let told = 0;
        const cutter = new LineCutter({ maxLine: 20, onTooLong: () => told++ });
        const pieces = chunks.map((chunk) => cutter.push(Buffer.from(chunk)));
        pieces.push(cutter.end());
        const out = Buffer.concat(pieces.filter((piece) => piece !== undefined)).toString();
        const lines = Buffer.from(chunks.flat()).toString().split("\n");
        if (lines.at(-1) === "") lines.pop();
        const kept = lines.filter((line) => line.length <= 20);
        expect(out).toBe(kept.map((line) => `${line}\n`).join(""));
        expect(told).toBe(lines.length - kept.length);
      }),
    );
  });

  test("one that is too long and may come in pieces keeps every byte", () => {
    fc.assert(
      fc.property(chunksOf, (chunks) => {
        const cutter = new LineCutter({ maxLine: 5 });
        const pieces = chunks.map((chunk) => cutter.push(Buffer.from(chunk)));
        pieces.push(cutter.end());
        const out = Buffer.concat(pieces.filter((piece) => piece !== undefined)).toString();
        const all = Buffer.from(chunks.flat()).toString();
        expect(out).toBe(all === "" || all.endsWith("\n") ? all : `${all}\n`);
      }),
    );
  });

  test("a tag does not stand within a line that came in pieces", () => {
    expect(tagLines(Buffer.from("a\nb"), "> ", true).toString()).toBe("a\n> b");
    expect(tagLines(Buffer.from("a\nb"), "> ").toString()).toBe("> a\n> b");
  });

  test("a tag stands before every line", () => {
    expect(tagLines(Buffer.from("a\n\nb\n"), "1-0 ").toString()).toBe("1-0 a\n1-0 \n1-0 b\n");
  });

  test("the tail keeps the last bytes only", () => {
    const tail = new Tail(4);
    tail.push(Buffer.from("abc"));
    tail.push(Buffer.from("defgh"));
    tail.push(Buffer.from("i"));
    expect(tail.bytes.toString()).toBe("fghi");
  });
});
