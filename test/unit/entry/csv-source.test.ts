import { stringify } from "csv-stringify/sync";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { csvSource, cut, drain } from "./sources.ts";

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

  test.each([[[100]], [[1]], [[2]], [[3, 1]]])(
    "a byte order mark is no part of the first name, cut every %j bytes",
    async (sizes) => {
      const chunks = cut(Buffer.from("\uFEFFa\n1\n"), sizes);
      expect((await drain(csvSource("csv", chunks)))[0]?.fields).toEqual(["a", "1"]);
    },
  );

  test.each([
    ["CR", "\r"],
    ["LF", "\n"],
    ["CRLF", "\r\n"],
  ])("lines that end with %s, however they are cut", async (_, end) => {
    const rows = [["a", "b"], ["1", '"x\ny"'], ["2", ""], [], ["3", "z"], ["4"]];
    const text = rows.map((row) => row.join(",") + end).join("");
    for (const sizes of [[1], [2], [3, 1], [1_000]]) {
      const got = await drain(csvSource("csv", cut(Buffer.from(text), sizes)));
      expect(got).toEqual([
        { line: 3, fields: ["a", "1", "b", "x\ny"], raw: '1,"x\ny"' },
        { line: 4, fields: ["a", "2", "b", ""], raw: "2," },
        { line: 6, fields: ["a", "3", "b", "z"], raw: "3,z" },
        { line: 7, bad: "line 7: 1 value where the header names 2 fields", raw: "4" },
      ]);
    }
  });

  test("a carriage return in a file whose lines end otherwise is part of its value", async () => {
    for (const end of ["\n", "\r\n"]) {
      const text = `a,b${end}x\ry,"p\rq"${end}`;
      expect((await drain(csvSource("csv", [text])))[0]?.fields).toEqual(["a", "x\ry", "b", "p\rq"]);
      const tabs = `a\tb${end}x\ry\t"p${end}`;
      expect((await drain(csvSource("tsv", [tabs])))[0]?.fields).toEqual(["a", "x\ry", "b", '"p']);
    }
    const quoted = await drain(csvSource("csv", ['5" disk,"b\r""c"\r1,2\r']));
    expect(quoted).toEqual([{ line: 3, fields: ['5" disk', "1", 'b\r"c', "2"], raw: "1,2" }]);
  });

  test("a header without a line end is all there is", async () => {
    for (const text of ["a,b", "a,b\r", "", "\r"]) expect(await drain(csvSource("csv", [text]))).toEqual([]);
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
