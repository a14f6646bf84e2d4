import { describe, expect, test } from "vitest";
import { textFields } from "../../../src/entry/entry.ts";
import { cli, ndjson } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadStream } from "./support.ts";
import { entryId } from "../../support/ids.ts";

describe("dlq show", () => {
  test("everything that is known, as JSON", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [
      { exit: "7", stderr: Buffer.from("boom\nbang\n"), replays: 2, fields: textFields([["a", "1"]]) },
      { id: entryId("77-0") },
    ]);
    const ids = (await redis.xrange(dlq, "-", "+")).map(([id]) => id);
    const { code, stdout } = await cli(["dlq", "show", stream, ...ids]);
    expect(code).toBe(0);
    const [first, second] = ndjson(stdout);
    expect(first).toEqual({
      stream,
      dlq,
      id: ids[0],
      originalId: "1-0",
      group: "billing",
      consumer: "host-1",
      deliveries: 5,
      reason: "exit 1",
      failedAt: expect.any(String),
      replays: 2,
      deliveriesTotal: 5,
      layout: "native",
      exit: "7",
      stderr: "boom\nbang\n",
      enteredAt: "1970-01-01T00:00:00.001Z",
      deadLetteredAt: first?.["failedAt"],
      inStream: true,
      doubt: null,
      fields: { a: "1" },
    });
    expect(second).toMatchObject({ originalId: "77-0", inStream: false });
  });

  test("a page for people, nothing of it sent to the terminal raw", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [
      {
        stderr: Buffer.from("one\u001b[2J\ntwo"),
        fields: [Buffer.from("k\u0007"), Buffer.from([0xff, 0x41])],
      },
    ]);
    const id = (await redis.xrange(dlq, "-", "+"))[0]?.[0] as string;
    const { stdout } = await cli(["dlq", "show", stream, id], { columns: 80, env: { NO_COLOR: "1" } });
    expect(stdout).toContain(`letter      ${id} in ${dlq}\noriginal    1-0 in ${stream}, still there\n`);
    expect(stdout).toContain("delivered   5 times in billing, at last to host-1\n");
    expect(stdout).toContain("stderr\n  one\\e[2J\n  two\n");
    expect(stdout).toContain("fields\n  k\\x07=\\xffA\n");
    expect(stdout).not.toContain("\u001b");
  });

  test("- shows what the rows on stdin name, in their order", async () => {
    const redis = rawRedis();
    const { stream } = await deadStream(redis, [{}, {}]);
    const { stdout: stdin } = await cli(["dlq", "list", stream]);
    const { stdout } = await cli(["dlq", "show", stream, "-"], { stdin });
    expect(ndjson(stdout).map((row) => row["originalId"])).toEqual(["2-0", "1-0"]);
  });

  test("an ID that is not there: exit 4", async () => {
    const redis = rawRedis();
    const { stream, dlq } = await deadStream(redis, [{}]);
    const { code, stderr } = await cli(["dlq", "show", stream, "5-5"]);
    expect(code).toBe(4);
    expect(stderr).toContain(`not in ${dlq}: 5-5`);
    expect((await cli(["dlq", "show", stream])).code).toBe(2);
  });
});
