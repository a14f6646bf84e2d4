import { expect, test } from "vitest";
import { PipelinePool } from "../../src/redis/pipeline-pool.ts";
import { encodeCommand } from "../../src/redis/resp.ts";
import { openConnection } from "../support/connection.ts";

const PING = encodeCommand(["PING"]);

test("streams share a pipeline, and one that lets go of it leaves it to the others", async () => {
  const pool = new PipelinePool(await openConnection());
  const first = await pool.take("a");
  expect(await pool.take("b")).toBe(first);
  pool.release(first);
  // Somebody found it wanting: nobody else gets it, but who still waits for its replies gets them.
  const second = await pool.take("a");
  expect(second).not.toBe(first);
  expect(await first.request(PING)).toBe("PONG");
  pool.release(first);
  expect(first.alive).toBe(false);
  expect(await pool.take("c")).toBe(second);
  expect(await second.request(PING)).toBe("PONG");
});

test("a pipeline that has died is not handed out again", async () => {
  const pool = new PipelinePool(await openConnection());
  const first = await pool.take("a");
  first.close();
  const second = await pool.take("b");
  expect(second).not.toBe(first);
  expect(await second.request(PING)).toBe("PONG");
});
