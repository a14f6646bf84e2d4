import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cli, uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { group, numbered, type Raw, row } from "./support.ts";

describe("trim, a group that was set back, and pending entries without data", () => {
  test("a group set back while something is pending is given everything again", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 10);
    await group(redis, stream, "g", 10, ["9-1", "10-1"]);
    expect((await cli(["group", "set-id", stream, "g", "--at", "0", "-y"])).code).toBe(0);
    const held = { boundId: "1-1", heldBy: "g", length: 10 };
    const flags = [stream, "--maxlen", "1", "--exact"];
    expect(await row(...flags, "--dry-run")).toMatchObject({ ...held, wouldRemove: 0 });
    expect(await row(...flags)).toMatchObject({ ...held, removed: 0 });
    const { stderr } = await cli(["trim", ...flags]);
    expect(stderr).toContain("group g has not been given it");
  });

  test("a pending entry whose data is gone holds nothing, and what clears it is named", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 10);
    await group(redis, stream, "g", 10, ["2-1", "3-1", "7-1"]);
    await redis.xtrim(stream, "MAXLEN", 8);
    await redis.xdel(stream, "3-1");
    const { code, stderr } = await cli(["trim", stream, "--maxlen", "1", "--exact"]);
    expect(code).toBe(0);
    expect(await redis.xrange(stream, "-", "+", "COUNT", 1)).toMatchObject([["7-1", ["n", "7"]]]);
    expect(stderr).toContain("kept from 7-1 on");
    expect(stderr).not.toContain("kept from 4-1");
    expect(stderr).toContain(`streamctl claim ${stream} -g g --all --drop-missing`);
  });

  test("many pending entries without data between the entries do not stop it", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 4_000);
    const acked = Array.from({ length: 2_000 }, (_, n) => `${2 * n + 1}-1`);
    await group(redis, stream, "g", 4_000);
    await redis.xgroup("SETID", stream, "g", "0");
    await redis.xreadgroup("GROUP", "g", "c", "COUNT", 4_000, "STREAMS", stream, ">");
    await redis.xack(stream, "g", ...acked);
    const rest = Array.from({ length: 2_000 }, (_, n) => `${2 * n + 2}-1`);
    await redis.xdel(stream, ...rest.slice(0, -1));
    expect(await row(stream, "--maxlen", "1", "--exact")).toMatchObject({ removed: 2_000, heldBy: null });
  });

  test("a loss is an entry that is there, and counts once", async () => {
    const redis = rawRedis();
    const stream = await numbered(redis, 10);
    await group(redis, stream, "g", 6, ["2-1", "3-1", "5-1", "6-1"]);
    await redis.xdel(stream, "3-1");
    await redis.xgroup("SETID", stream, "g", "5-1");
    const flags = [stream, "--maxlen", "2", "--exact", "--force"];
    const { stderr } = await cli(["trim", ...flags, "--dry-run"]);
    // 7 and 8 were never given, 6 is pending and to be given once more; 3 has gone.
    expect(stderr).toContain("group g would lose 2 entries it has not been given and 3 it has not acked");
    const refused = await cli(["trim", ...flags]);
    expect(refused.stderr).toContain("and with them 5 that groups");
  });
});

/** What a group is known to have: its position, and what is pending with or without data. */
interface Model {
  readonly entries: Set<number>;
  readonly pending: Set<number>;
  delivered: number;
}

type Step =
  | { readonly kind: "read"; readonly count: number }
  | { readonly kind: "ack" | "delete" | "setId"; readonly at: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("read" as const), count: fc.integer({ min: 1, max: 6 }) }),
    fc.record({
      kind: fc.constantFrom("ack" as const, "ack" as const, "delete" as const, "setId" as const),
      at: fc.integer({ min: 0, max: 12 }),
    }),
  ),
  { maxLength: 14 },
);

describe("trim against a model", () => {
  test("what goes is what no group needs, and a preview of --force counts what goes that one needs", async () => {
    const redis = rawRedis();
    await fc.assert(
      fc.asyncProperty(steps, steps, fc.integer({ min: 1, max: 13 }), async (first, second, keepFrom) => {
        const stream = await numbered(redis, 12);
        const entries = new Set(Array.from({ length: 12 }, (_, n) => n + 1));
        const models = new Map<string, Model>();
        for (const name of ["a", "b"]) {
          await redis.xgroup("CREATE", stream, name, "0");
          models.set(name, { entries, pending: new Set(), delivered: 0 });
        }
        for (const [name, list] of [
          ["a", first],
          ["b", second],
        ] as const)
          for (const step of list) await take(redis, stream, name, models.get(name) as Model, step);

        const older = [...entries].filter((n) => n < keepFrom);
        const needed = ({ pending, delivered }: Model, n: number): boolean => pending.has(n) || n > delivered;
        const losses = [...models].map(([name, model]) => {
          const lost = older.filter((n) => needed(model, n));
          const pending = lost.filter((n) => model.pending.has(n)).length;
          return { name, undelivered: lost.length - pending, pending };
        });
        const flags = [stream, "--min-id", `${keepFrom}-1`, "--exact"];
        const preview = await cli(["trim", ...flags, "--force", "--dry-run"]);
        for (const { name, undelivered, pending } of losses) {
          const words = `group ${name} would lose ${undelivered} ${undelivered === 1 ? "entry" : "entries"} it has not been given and ${pending} it`;
          if (undelivered + pending > 0) expect(preview.stderr).toContain(words);
          else expect(preview.stderr).not.toContain(`group ${name} would lose`);
        }
        const bound = Math.min(
          keepFrom,
          ...older.filter((n) => [...models.values()].some((model) => needed(model, n))),
        );
        const gone = older.filter((n) => n < bound);
        const dry = await row(...flags, "--dry-run");
        expect(dry).toMatchObject({ wouldRemove: gone.length, boundId: `${bound}-1` });
        const done = await row(...flags);
        expect(done).toMatchObject({ removed: gone.length, boundId: `${bound}-1` });
        expect(done["heldBy"] === null).toBe(bound === keepFrom);
        const left = (await redis.xrange(stream, "-", "+")).map(([id]) => Number(id.split("-")[0]));
        expect(left).toEqual([...entries].filter((n) => !gone.includes(n)));
        await redis.del(stream);
      }),
      { numRuns: 40 },
    );
  });
});

async function take(redis: Raw, stream: string, name: string, model: Model, step: Step): Promise<void> {
  const { entries, pending } = model;
  switch (step.kind) {
    case "read": {
      const argv = ["GROUP", name, "c", "COUNT", String(step.count), "STREAMS", stream, ">"];
      await redis.call("XREADGROUP", ...argv);
      const next = [...entries].filter((n) => n > model.delivered).slice(0, step.count);
      for (const n of next) pending.add(n);
      model.delivered = next.at(-1) ?? model.delivered;
      return;
    }
    case "ack":
      await redis.xack(stream, name, `${step.at}-1`);
      pending.delete(step.at);
      return;
    case "delete":
      await redis.xdel(stream, `${step.at}-1`);
      entries.delete(step.at);
      return;
    case "setId":
      await redis.xgroup("SETID", stream, name, `${step.at}-1`);
      model.delivered = step.at;
  }
}

test("a stream that has nothing to trim is named no hold", async () => {
  const redis = rawRedis();
  const stream = uniqueKey("trimmed");
  await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
  expect(await row(stream, "--maxlen", "1", "--exact")).toMatchObject({ removed: 0, heldBy: null });
});
