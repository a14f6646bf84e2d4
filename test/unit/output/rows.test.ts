import { Writable } from "node:stream";
import { parse } from "csv-parse/sync";
import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { type Column, FieldList } from "../../../src/output/column.ts";
import { durationText } from "../../../src/output/format.ts";
import { Log } from "../../../src/output/log.ts";
import { type Format, Output } from "../../../src/output/output.ts";
import { printRows } from "../../../src/output/rows.ts";

interface Row {
  readonly stream: string;
  readonly lag: number | null;
  readonly idleMs: number | null;
  readonly consumer: Buffer;
  readonly fields: readonly Buffer[];
}

const COLUMNS: readonly Column<Row>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  {
    key: "lag",
    title: "LAG",
    align: "right",
    value: (row) => row.lag,
    tone: (row) => ((row.lag ?? 0) > 1_000 ? "bad" : undefined),
  },
  {
    key: "idleMs",
    title: "IDLE",
    align: "right",
    value: (row) => row.idleMs,
    text: (row) => durationText(row.idleMs),
    optional: true,
  },
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  { key: "fields", title: "FIELDS", value: (row) => new FieldList(row.fields), cut: "end" },
];

function row(change: Partial<Row> = {}): Row {
  return {
    stream: "orders",
    lag: 12,
    idleMs: 7_380_000,
    consumer: Buffer.from("host-1"),
    fields: textFields([["orderId", "42"]]),
    ...change,
  };
}

const ROWS: readonly Row[] = [
  row(),
  row({ stream: "a-rather-long-name-of-a-stream:eu-west-1:returns", lag: 1_234_567, idleMs: null }),
  row({
    stream: "注文",
    lag: null,
    consumer: Buffer.from([0xff]),
    fields: textFields([
      ["note", "two\nlines\tand more words than a narrow terminal can hold in one row"],
      ["10", "x"],
    ]),
  }),
];

class Sink extends Writable {
  text = "";
  columns?: number;
  isTTY?: boolean;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString("utf8");
    done();
  }
}

async function print(
  rows: Iterable<Row>,
  options: { format?: Format; columns?: number; color?: boolean; wide?: boolean } = {},
): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [new Sink(), new Sink()];
  if (options.columns !== undefined) Object.assign(stdout, { isTTY: true, columns: options.columns });
  const io = { stdout } as unknown as ConstructorParameters<typeof Output>[0];
  const output = new Output(io, {
    format: options.format,
    color: options.color === true,
    wide: options.wide === true,
  });
  const log = new Log(stderr, { quiet: false, verbose: false });
  await printRows({ output, log, stop: new AbortController().signal }, COLUMNS, rows, {
    empty: "nothing there",
  });
  return { stdout: stdout.text, stderr: stderr.text };
}

describe("a table", () => {
  test("fits 80 columns", async () => {
    const { stdout } = await print(ROWS, { columns: 80 });
    expect(`\n${stdout}`).toMatchInlineSnapshot(`
      "
      STREAM                                  LAG   IDLE  CONSUMER  FIELDS
      orders                                   12  2h 3m  host-1    orderId=42
      a-rather-long-na…-west-1:returns  1 234 567      -  host-1    orderId=42
      注文                                      -  2h 3m  \\xff      note=two\\nlines\\t…
      "
    `);
  });

  test("fits 120 columns", async () => {
    const { stdout } = await print(ROWS, { columns: 120 });
    expect(`\n${stdout}`).toMatchInlineSnapshot(`
      "
      STREAM                                                  LAG   IDLE  CONSUMER  FIELDS
      orders                                                   12  2h 3m  host-1    orderId=42
      a-rather-long-name-of-a-stream:eu-west-1:returns  1 234 567      -  host-1    orderId=42
      注文                                                      -  2h 3m  \\xff      note=two\\nlines\\tand more words than a na…
      "
    `);
  });

  test("leaves out what it can do without on a narrow terminal", async () => {
    const { stdout } = await print(ROWS, { columns: 60 });
    expect(stdout).not.toContain("IDLE");
    expect(stdout).toContain("1\u202f234\u202f567");
  });

  test("names that differ only in their ends, or in their middle, are told apart at any usual width", async () => {
    const tenant = (n: number): string => `production:eu-west-1:tenant-${n}:orders:created-by-import`;
    const names = [1, 2, 30, 31].map(tenant);
    const ends = ["eu", "us", "ap"].map(
      (end) => `a-service-with-a-long-name:and-a-long-topic:in-region-${end}`,
    );
    const rows = [...names, ...ends].map((stream) => row({ stream, lag: 1_234_567 }));
    for (const columns of [70, 80, 100, 120]) {
      const { stdout } = await print(rows, { columns });
      const shown = stdout
        .split("\n")
        .slice(1, -1)
        .map((line) => line.split("  ")[0]);
      expect(new Set(shown).size, stdout).toBe(rows.length);
      expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(columns);
    }
  });

  test("--wide cuts nothing and leaves nothing out", async () => {
    const { stdout } = await print(ROWS, { columns: 60, wide: true });
    expect(stdout).toContain("a-rather-long-name-of-a-stream:eu-west-1:returns");
    expect(stdout).toContain("IDLE");
    expect(stdout).toContain("and more words than a narrow terminal can hold in one row 10=x");
  });

  test("cuts nothing in a file", async () => {
    const { stdout } = await print(ROWS, { format: "table" });
    expect(stdout).toContain("a-rather-long-name-of-a-stream:eu-west-1:returns");
    expect(stdout).toContain("and more words than a narrow terminal can hold in one row 10=x");
  });

  test("keeps its widths and one head over any number of rows", async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => row({ lag: index, stream: `s${index % 7}` }));
    many.push(row({ stream: "longer-than-all-before" }));
    const { stdout } = await print(many, { columns: 80 });
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(1_002);
    expect(lines.filter((line) => line.startsWith("STREAM"))).toHaveLength(1);
    expect(new Set(lines.slice(0, 1_001).map((line) => line.search(/CONSUMER|host-1/))).size).toBe(1);
    expect(lines.at(-1)).toMatch(/^longe…|^lon\S*…/);
  });

  test("colours only where colour is wanted", async () => {
    expect((await print(ROWS, { columns: 80 })).stdout).not.toContain("\u001b");
    expect((await print(ROWS, { columns: 80, color: true })).stdout).toContain("\u001b[31m");
  });
});

describe("rows for programs", () => {
  test("NDJSON", async () => {
    expect((await print(ROWS)).stdout).toBe(
      [
        '{"stream":"orders","lag":12,"idleMs":7380000,"consumer":"host-1","fields":{"orderId":"42"}}',
        '{"stream":"a-rather-long-name-of-a-stream:eu-west-1:returns","lag":1234567,"idleMs":null,"consumer":"host-1","fields":{"orderId":"42"}}',
        '{"stream":"注文","lag":null,"idleMs":7380000,"consumer":{"base64":"/w=="},"fields":{"note":"two\\nlines\\tand more words than a narrow terminal can hold in one row","10":"x"}}',
        "",
      ].join("\n"),
    );
  });

  test("JSON is one array, also over many pieces", async () => {
    const many = Array.from({ length: 5_000 }, (_, lag) => row({ lag }));
    const parsed = JSON.parse((await print(many, { format: "json" })).stdout) as { lag: number }[];
    expect(parsed.map(({ lag }) => lag)).toEqual(many.map(({ lag }) => lag));
  });

  test("CSV has one head and quotes what needs it", async () => {
    const many = [...ROWS, ...Array.from({ length: 5_000 }, () => row())];
    const { stdout } = await print(many, { format: "csv" });
    const lines: string[][] = parse(stdout);
    expect(lines).toHaveLength(many.length + 1);
    expect(lines[0]).toEqual(["stream", "lag", "idleMs", "consumer", "fields"]);
    expect(lines[1]).toEqual(["orders", "12", "7380000", "host-1", '{"orderId":"42"}']);
    expect(lines[3]?.slice(0, 4)).toEqual(["注文", "", "7380000", '{"base64":"/w=="}']);
  });

  test("raw is one line a row, whatever the values hold", async () => {
    const { stdout } = await print([row({ stream: "a\tb\nc\\d", fields: [] })], { format: "raw" });
    expect(stdout).toBe("a\\tb\\nc\\\\d\t12\t7380000\thost-1\t{}\n");
  });

  test("no rows: nothing, and [] as JSON", async () => {
    for (const format of ["ndjson", "csv", "raw", "table"] as const)
      expect(await print([], { format })).toEqual({ stdout: "", stderr: "" });
    expect(await print([], { format: "json" })).toEqual({ stdout: "[]\n", stderr: "" });
    expect(await print([], { columns: 80 })).toEqual({ stdout: "", stderr: "streamctl: nothing there\n" });
  });

  test("rows are taken no faster than stdout takes them", async () => {
    let taken = 0;
    function* endless(): Generator<Row> {
      for (;;) {
        taken++;
        yield row();
      }
    }
    const stuck = new Writable({ write() {} });
    const io = { stdout: stuck } as unknown as ConstructorParameters<typeof Output>[0];
    const log = new Log(new Sink(), { quiet: false, verbose: false });
    const to = { output: new Output(io, { color: false }), log, stop: new AbortController().signal };
    void printRows(to, COLUMNS, endless(), { empty: "" });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(2_000);
  });
});
