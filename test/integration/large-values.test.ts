import { expect, test } from "vitest";
import { EntryDraft } from "../../src/entry/entry-draft.ts";
import { JsonDecoder } from "../../src/entry/json-decode.ts";
import { entryPrefix, JsonBytes, writeEntry } from "../../src/entry/json-encode.ts";
import { cli, uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";
import { entryId } from "../support/ids.ts";

// A JavaScript string has at most 512 MiB.
test("a binary value survives whose base64 is longer than a JavaScript string can be", () => {
  const value = Buffer.alloc(385 * 1024 * 1024, 0xfe);
  value.write("begin");
  const out = new JsonBytes();
  writeEntry(out, entryPrefix("s"), { id: entryId("1-1"), fields: [Buffer.from("v"), value] });
  const line = out.take();
  const draft = new EntryDraft();
  new JsonDecoder().entry(line, 0, line.length, draft);
  expect(draft.string(1).equals(value)).toBe(true);
});

test("a value too large for a cell is refused by name", async () => {
  const redis = rawRedis();
  const key = uniqueKey();
  await redis.xadd(key, "1-1", "v", Buffer.alloc(65 * 1024 * 1024, "x"));
  const { code, stderr } = await cli(["consume", key, "-o", "csv"]);
  expect(stderr).toContain("a value of 65.0 MB is too large for a cell: -o ndjson prints values of any size");
  expect(code).toBe(1);
  await redis.del(key);
});
