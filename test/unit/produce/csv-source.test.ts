import { stringify } from "csv-stringify/sync";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { csvSource, cut, drain } from "./support.ts";

describe("CSV", () => {
  test("the header names the fields; repeated and empty names stay", async () => {
    const got = await drain(csvSource("csv", ["a,,a\n1,2,3\n"]));
    expect(got).toEqual([{ line: 2, fields: ["a", "1", "", "2", "a", "3"], raw: "1,2,3" }]);
  });

  test("quotes, commas, line ends inside quotes, and what line a record ends on", async () => {
    const got = await drain(csvSource("csv", ['a,b\r\n"x\r\ny","z""q"\r\n\r\n1,"2, 3"\r\n']));
    expect(got).toEqual([
      { line: 3, fields: ["a", "x\r\ny", "b", 'z"q'], raw: '"x\r\ny","z""q"' },
      { line: 5, fields: ["a", "1", "b", "2, 3"], raw: '1,"2, 3"' },
    ]);
  });

  test("a record with too few or too many values is bad; the others are read", async () => {
    const got = await drain(csvSource("csv", ["a,b\n1\n1,2,3\n4,5"]));
    expect(got.map(({ bad, fields, raw }) => [bad ?? fields, raw])).toEqual([
      ["line 2: 1 value where the header names 2 fields", "1"],
      ["line 3: 3 values where the header names 2 fields", "1,2,3"],
      [["a", "4", "b", "5"], "4,5"],
    ]);
  });

  test("a quote inside an unquoted value is part of it", async () => {
    const got = await drain(csvSource("csv", ['a,b\n5" disk,"x"y\n']));
    expect(got[0]?.fields).toEqual(["a", '5" disk', "b", '"x"y']);
  });

  test("a quote that is never closed is named where its record starts, and nothing after it is guessed", async () => {
    const got = await drain(csvSource("csv", ['a,b\n1,2\n3,"4\n5,6\n', "7,8\n"]));
    expect(got).toHaveLength(2);
    expect(got[1]).toMatchObject({
      line: 3,
      bad: "line 3: the quote that opens in this record is never closed; what follows was not read",
      raw: '3,"4\n5,6\n7,8',
    });
  });

  test("such a quote does not make the rest of the file pile up in memory", async () => {
    const chunks = ['a\n"', ...Array.from({ length: 200 }, () => "x\n".repeat(50))];
    const got = await drain(csvSource("csv", chunks, { skipLines: 0, maxLine: 1_000 }));
    expect(got).toHaveLength(1);
    expect(got[0]?.bad).toContain("longer than 1000 bytes");
    expect(got[0]?.raw.length).toBeLessThan(2_000);
  });

  test("a byte order mark is no part of the first name", async () => {
    expect((await drain(csvSource("csv", ["\xef\xbb\xbfa\n1\n"])))[0]?.fields).toEqual(["a", "1"]);
  });

  test("skipping passes over records but reads the header", async () => {
    const got = await drain(csvSource("csv", ["a\n1\n2\n3\n"], { skipLines: 3, maxLine: 100 }));
    expect(got).toEqual([{ line: 4, fields: ["a", "3"], raw: "3" }]);
  });

  test("an empty input, and one with only a header, have no entries", async () => {
    expect(await drain(csvSource("csv", []))).toEqual([]);
    expect(await drain(csvSource("csv", ["a,b"]))).toEqual([]);
  });

  test("property: what a CSV writer wrote is read back, byte for byte, however it is cut", async () => {
    const value = fc.string({
      unit: fc.constantFrom("a", '"', ",", "\n", "\r\n", " ", "\t", "é", "\x00", "\xff"),
    });
    const records = fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 8 });
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(records, sizes, async (rows, pieces) => {
        const text = stringify([["x", "y", "z"], ...rows], { quoted: true });
        const got = await drain(csvSource("csv", cut(Buffer.from(text, "latin1"), pieces)));
        expect(got.map(({ fields }) => fields)).toEqual(rows.map(([x, y, z]) => ["x", x, "y", y, "z", z]));
        const lineEnds = (part: string): number => part.split("\n").length - 1;
        expect(got.at(-1)?.line).toBe(lineEnds(text));
        expect(got.map(({ raw }) => raw)).toEqual(
          rows.map((row) => stringify([row], { quoted: true }).trimEnd()),
        );
      }),
    );
  });
});

describe("TSV", () => {
  test("has no quoting: a value is what stands between two tabs", async () => {
    const got = await drain(csvSource("tsv", ['a\tb\n"1\t2"\n\t\n']));
    expect(got.map(({ fields }) => fields)).toEqual([
      ["a", '"1', "b", '2"'],
      ["a", "", "b", ""],
    ]);
  });
});
