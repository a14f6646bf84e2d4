import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineCutter, tagLines, Tail } from "../../../src/engine/worker/lines.ts";

describe("whole lines", () => {
  test("however a stream is cut, the lines are the same and each piece ends with a line end", () => {
    const byte = fc.constantFrom(10, 97, 98, 255);
    fc.assert(
      fc.property(fc.array(fc.array(byte, { maxLength: 20 }), { maxLength: 30 }), (chunks) => {
        const cutter = new LineCutter();
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

  test("a line without an end is cut when it grows too long to hold", () => {
    const cutter = new LineCutter();
    const chunk = Buffer.alloc(600 * 1024, 97);
    expect(cutter.push(chunk)).toBeUndefined();
    expect(cutter.push(chunk)?.length).toBe(2 * chunk.length + 1);
    expect(cutter.end()).toBeUndefined();
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
