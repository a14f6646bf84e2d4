import { describe, expect, test } from "vitest";
import { Connection } from "../../src/redis/connection.ts";
import { encodeCommand } from "../../src/redis/resp.ts";
import { uniqueKey } from "../support/cli.ts";
import { serverUrl } from "../support/server-url.ts";

function settings() {
  const url = new URL(serverUrl());
  return {
    mode: "standalone",
    host: url.hostname,
    port: Number(url.port),
    db: 0,
    connectTimeoutMs: 20_000,
    commandTimeoutMs: 20_000,
  } as const;
}

describe("pipeline", () => {
  test("pins the internal of ioredis that it depends on: replies reach the pipeline, in order", async () => {
    const connection = await Connection.open(settings(), { name: "streamctl:test" });
    try {
      const pipeline = await connection.pipeline("k");
      const key = uniqueKey();
      const replies: unknown[] = [];
      const batch = Buffer.concat([
        encodeCommand(["XADD", key, "5-1", "a", "1"]),
        encodeCommand(["XADD", key, "5-1", "a", "1"]),
        encodeCommand(["XLEN", key]),
      ]);
      await new Promise<void>((resolve, reject) => {
        pipeline.send(
          batch,
          3,
          (reply) => {
            replies.push(reply);
            if (replies.length === 3) resolve();
          },
          reject,
        );
      });
      expect(String(replies[0])).toBe("5-1");
      expect(replies[1]).toMatchObject({ text: expect.stringContaining("equal or smaller") });
      expect(replies[2]).toBe(1);
      expect(pipeline.inFlight).toBe(0);
    } finally {
      connection.close();
    }
  });
});
