import { describe, expect, test } from "vitest";
import { planProduce, type ProducePlan } from "../../../src/commands/produce/plan.ts";
import type { ProduceFlags } from "../../../src/commands/produce/produce.ts";
import { parseLine } from "../../support/command-lines.ts";

/** What comes after `produce STREAM`. */
async function plan(...words: string[]): Promise<ProducePlan> {
  const { args, flags } = await parseLine(["produce", "s", ...words]);
  return planProduce(args[1] as string[], flags as ProduceFlags);
}

describe("a command line of produce", () => {
  test("a value may hold further equals signs, and may be empty", async () => {
    const { input, single } = await plan("a=1=2", "b=");
    expect(input.fields.map(String)).toEqual(["a", "1=2", "b", ""]);
    expect(single).toBe(true);
  });

  test.each([
    ["no equals sign", ["abc"], "not FIELD=VALUE: abc"],
    ["no name", ["=1"], "not FIELD=VALUE: =1"],
    ["fields and a file", ["a=1", "--file", "x"], "--file is for entries that are read"],
    ["fields and --skip-lines", ["a=1", "--skip-lines", "1"], "--skip-lines is for entries that are read"],
    ["two ways to trim", ["--maxlen", "1", "--max-age", "1s"], "give --maxlen or --max-age, not both"],
    ["--exact alone", ["--exact"], "--exact needs --maxlen or --max-age"],
    [
      "two kinds of IDs",
      ["--id", "1-1", "--id-field", "a"],
      "give one of --id, --id-field, --keep-id and --idempotency-key",
    ],
    ["--keep-id without entries", ["--keep-id"], "--keep-id needs --input entries"],
    ["an ID that is none", ["--id", "x"], "--id x is not an entry ID"],
    ["the ID that no entry can have", ["--id", "0-0"], "--id 0-0 is not an entry ID"],
    ["two ways to know an entry", ["--id-field", "a", "--idempotency-key", "b"], "give one of --id"],
    ["a time for no key", ["--idempotency-ttl", "1s"], "--idempotency-ttl needs --idempotency-key"],
    [
      "keys known for no time",
      ["--idempotency-key", "a", "--idempotency-ttl", "0"],
      "would remember nothing",
    ],
    ["partitions by nothing", ["--partitions", "2"], "--partitions needs --partition-by"],
    ["no partitions", ["--partition-by", "a"], "--partition-by needs --partitions"],
    ["too many", ["--partitions", "5000", "--partition-by", "a"], "--partitions can be 1024 at most"],
    ["--field for JSON", ["--field", "a"], "--field needs --input lines"],
  ])("refuses %s", async (_, words, message) => {
    await expect(plan(...words)).rejects.toThrow(message);
  });

  test.each([
    ["", { kind: "server" }],
    ["--id *", { kind: "server" }],
    ["--id 5", { kind: "fixed", id: "5-0" }],
    ["--id 5-*", { kind: "fixed", id: "5-*" }],
    ["--id-field x", { kind: "field", name: "x" }],
    ["--idempotency-key x", { kind: "keyed", field: "x", ttlMs: 86_400_000 }],
    ["--idempotency-key x --idempotency-ttl 5ms", { kind: "keyed", field: "x", ttlMs: 5 }],
    ["--keep-id --input entries", { kind: "kept" }],
  ])("%j takes IDs from %j", async (line, rule) => {
    const { request } = await plan(...line.split(" ").filter((word) => word !== ""));
    expect(request.ids).toEqual(rule);
  });

  test("a file for rejects means that bad lines are skipped, unless it is said otherwise", async () => {
    expect((await plan()).request.onBadLine).toBe("stop");
    expect((await plan("--rejects", "x")).request.onBadLine).toBe("skip");
    expect((await plan("--rejects", "x", "--on-error", "stop")).request.onBadLine).toBe("stop");
  });
});
