import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ndjsonFormat, plainFormat } from "../../../src/entry/sources/line-source.ts";
import { cut, drain, lineSource } from "./sources.ts";

describe("lines of NDJSON", () => {
  test("are numbered with the empty ones, which give no entry", async () => {
    expect(await drain(lineSource(ndjsonFormat(), ['\n{"a":1}\r\n \t\r\n{"b":2}\n\n']))).toEqual([
      { line: 2, fields: ["a", "1"], raw: '{"a":1}\r' },
      { line: 4, fields: ["b", "2"], raw: '{"b":2}' },
    ]);
  });

  test("a bad line is named by number, column and reason, and the next ones are read", async () => {
    const got = await drain(
      lineSource(
        ndjsonFormat(),
        ['{"a":1}\n{"é":x}\n{"b":2}\n'].map((t) => Buffer.from(t)),
      ),
    );
    expect(got.map(({ line, bad }) => [line, bad])).toEqual([
      [1, undefined],
      [2, "line 2, column 6: expected a value"],
      [3, undefined],
    ]);
  });

  test("a last line without a newline is fine when it is whole", async () => {
    const got = await drain(lineSource(ndjsonFormat(), ['{"a":1}\n{"b":', "2}"]));
    expect(got.at(-1)).toEqual({ line: 2, fields: ["b", "2"], raw: '{"b":2}' });
  });

  test("a last line that is cut off is reported as exactly that", async () => {
    const got = await drain(lineSource(ndjsonFormat(), ['{"a":1}\n{"b":"x']));
    expect(got.at(-1)?.bad).toMatch(
      /^line 2 is cut off: the input ends without a newline in the middle of it/,
    );
  });

  test("a line with a newline after half an object is bad, not cut off", async () => {
    const got = await drain(lineSource(ndjsonFormat(), ['{"b":"x\n']));
    expect(got.at(-1)?.bad).toBe("line 1, column 8: the string does not end, but the text ends");
  });

  test("a byte order mark before the first line is no part of it", async () => {
    const got = await drain(lineSource(ndjsonFormat(), ['\xef\xbb\xbf{"a":1}\n\xef\xbb\xbf{"b":1}\n']));
    expect(got.map(({ fields, bad }) => fields ?? bad)).toEqual([
      ["a", "1"],
      expect.stringContaining("line 2, column 1"),
    ]);
  });

  test("lines to skip are not even parsed", async () => {
    const source = lineSource(ndjsonFormat(), ["rubbish\n\nrubbish\n", '{"a":1}\n'], {
      skipLines: 3,
      maxLine: 100,
    });
    expect(await drain(source)).toEqual([{ line: 4, fields: ["a", "1"], raw: '{"a":1}' }]);
  });

  test("property: the same entries come out however the bytes are cut into chunks", async () => {
    const lines = fc.array(fc.string({ unit: "grapheme" }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(
        lines,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        fc.boolean(),
        async (values, sizes, closed) => {
          const text = values.map((value) => JSON.stringify({ v: value })).join("\n") + (closed ? "\n" : "");
          const got = await drain(lineSource(ndjsonFormat(), cut(Buffer.from(text), sizes)));
          expect(got.map(({ fields }) => Buffer.from(fields?.[1] ?? "", "latin1").toString())).toEqual(
            values.map((value) => Buffer.from(value).toString()),
          );
          expect(got.map(({ line }) => line)).toEqual(values.map((_, i) => i + 1));
        },
      ),
    );
  });
});

describe("plain lines", () => {
  test("property: every byte but the newline arrives, carriage returns and NULs too", async () => {
    const line = fc
      .uint8Array({ minLength: 1, maxLength: 30 })
      .map((bytes) => Buffer.from(bytes.filter((b) => b !== 10)));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        async (lines, sizes) => {
          // How a file begins may say that it is no text.
          const all = [Buffer.from("x"), ...lines];
          const bytes = Buffer.concat(all.flatMap((l) => [l, Buffer.from("\n")]));
          const got = await drain(lineSource(plainFormat("payload"), cut(bytes, sizes)));
          expect(got.map(({ fields }) => fields)).toEqual(
            all.filter((l) => l.length > 0).map((l) => ["payload", l.toString("latin1")]),
          );
        },
      ),
    );
  });
});

describe("a line that is too long", () => {
  const options = { skipLines: 0, maxLine: 10 };

  test("is refused without being held in memory, and the next line is read", async () => {
    const chunks = ["ok\n", ...Array.from({ length: 100 }, () => "x".repeat(9)), "\nlast\n"];
    const got = await drain(lineSource(plainFormat("p"), chunks, options));
    expect(got.map(({ line, fields, bad }) => [line, fields?.[1] ?? bad])).toEqual([
      [1, "ok"],
      [2, "line 2: longer than 10 bytes: --max-line allows longer ones"],
      [3, "last"],
    ]);
  });

  test("is refused also when it came in one piece, at the end of the input, or without a newline", async () => {
    const got = await drain(
      lineSource(plainFormat("p"), [`${"x".repeat(11)}\n${"y".repeat(10)}\n${"z".repeat(11)}`], options),
    );
    expect(got.map(({ line, bad }) => [line, bad !== undefined])).toEqual([
      [1, true],
      [2, false],
      [3, true],
    ]);
  });

  test("can be skipped by number", async () => {
    const chunks = ["x".repeat(8), "x".repeat(8), "x".repeat(8), "\nok"];
    const got = await drain(lineSource(plainFormat("p"), chunks, { skipLines: 1, maxLine: 10 }));
    expect(got).toEqual([{ line: 2, fields: ["p", "ok"], raw: "ok" }]);
  });
});
