import { describe, expect, test } from "vitest";
import { type ProduceOptions, readProduceOptions } from "../../../src/commands/produce-options.ts";

function plan(pairs: string[], options: ProduceOptions = {}) {
  return readProduceOptions(pairs, options);
}

describe("the options of produce", () => {
  test("a value may hold further equals signs, and may be empty", () => {
    const { input, single } = plan(["a=1=2", "b="]);
    expect(input.fields.map(String)).toEqual(["a", "1=2", "b", ""]);
    expect(single).toBe(true);
  });

  test.each([
    ["no equals sign", ["abc"], {}, "not FIELD=VALUE: abc"],
    ["no name", ["=1"], {}, "not FIELD=VALUE: =1"],
    ["fields and a file", ["a=1"], { file: "x" }, "--file is for entries that are read"],
    ["fields and --skip-lines", ["a=1"], { skipLines: 1 }, "--skip-lines is for entries that are read"],
    ["two ways to trim", [], { maxlen: 1, maxAge: 1 }, "give --maxlen or --max-age, not both"],
    ["--exact alone", [], { exact: true }, "--exact needs --maxlen or --max-age"],
    [
      "two kinds of IDs",
      [],
      { id: "1-1", idField: "a" },
      "give one of --id, --id-field, --keep-id and --idempotency-key",
    ],
    ["--keep-id without entries", [], { keepId: true }, "--keep-id needs --input entries"],
    ["an ID that is none", [], { id: "x" }, "--id x is not an entry ID"],
    ["the ID that no entry can have", [], { id: "0-0" }, "--id 0-0 is not an entry ID"],
    ["two ways to know an entry", [], { idField: "a", idempotencyKey: "b" }, "give one of --id"],
    ["a time for no key", [], { idempotencyTtl: 1 }, "--idempotency-ttl needs --idempotency-key"],
    ["keys known for no time", [], { idempotencyKey: "a", idempotencyTtl: 0 }, "would remember nothing"],
    ["partitions by nothing", [], { partitions: 2 }, "--partitions needs --partition-by"],
    ["no partitions", [], { partitionBy: "a" }, "--partition-by needs --partitions"],
    ["too many", [], { partitions: 5_000, partitionBy: "a" }, "--partitions can be 1024 at most"],
    ["--field for JSON", [], { field: "a" }, "--field needs --input lines"],
  ] as [string, string[], ProduceOptions, string][])("refuses %s", (_, pairs, options, message) => {
    expect(() => plan(pairs, options)).toThrow(message);
  });

  test.each([
    [{}, { kind: "server" }],
    [{ id: "*" }, { kind: "server" }],
    [{ id: "5" }, { kind: "fixed", id: "5-0" }],
    [{ id: "5-*" }, { kind: "fixed", id: "5-*" }],
    [{ idField: "x" }, { kind: "field", name: "x" }],
    [{ idempotencyKey: "x" }, { kind: "keyed", field: "x", ttlMs: 86_400_000 }],
    [
      { idempotencyKey: "x", idempotencyTtl: 5 },
      { kind: "keyed", field: "x", ttlMs: 5 },
    ],
    [{ keepId: true, input: "entries" }, { kind: "kept" }],
  ] as [ProduceOptions, object][])("%j takes IDs from %j", (options, rule) => {
    expect(plan([], options).request.ids).toEqual(rule);
  });

  test("a file for rejects means that bad lines are skipped, unless it is said otherwise", () => {
    expect(plan([]).request.onBadLine).toBe("stop");
    expect(plan([], { rejects: "x" }).request.onBadLine).toBe("skip");
    expect(plan([], { rejects: "x", onError: "stop" }).request.onBadLine).toBe("stop");
  });
});
