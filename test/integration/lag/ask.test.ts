import { expect, test } from "vitest";
import { streamKey } from "../../../src/entry/names.ts";
import { ServerError } from "../../../src/errors.ts";
import { type GroupLag, groupLags } from "../../../src/engine/lag/lag.ts";
import type { Connection } from "../../../src/redis/connection.ts";
import type { Pipeline } from "../../../src/redis/pipeline.ts";
import { ask } from "../../../src/redis/ops/ask.ts";
import {
  type GroupInfo,
  groupsQuestion,
  type StreamInfo,
  streamQuestion,
} from "../../../src/redis/ops/info.ts";
import type { Value } from "../../../src/redis/value.ts";
import { uniqueKey } from "../../support/cli.ts";
import { openConnection } from "../../support/connection.ts";
import { Proxy } from "../../support/proxy.ts";
import { rawRedis } from "../../support/redis.ts";

type Command = [string, ...string[]];

/** The answers, in the order of the questions. */
async function answersTo(
  connection: Connection,
  pipeline: Pipeline | undefined,
  commands: readonly Command[],
): Promise<(Value | ServerError)[]> {
  const answers = new Array<Value | ServerError>(commands.length);
  await ask(
    connection,
    pipeline,
    commands.map((command, n) => ({ command, take: (answer) => (answers[n] = answer) })),
  );
  return answers;
}

test.each([["over a pipeline"], ["over the connection"]])(
  "%s each of many questions has its own answer, and errors go to those they belong to",
  async (way) => {
    const redis = rawRedis();
    const key = uniqueKey("ask");
    for (let n = 0; n < 50; n++) await redis.xadd(`${key}:ü${n}`, `${n + 1}-0`, "a", "1");
    const connection = await openConnection();
    const pipeline = way === "over a pipeline" ? await connection.pipeline("", { text: true }) : undefined;
    const answers = new Array<StreamInfo | ServerError>(100);
    const questions = Array.from(answers, (_, n) =>
      streamQuestion(streamKey(`${key}:ü${n}`), (answer) => (answers[n] = answer)),
    );
    await ask(connection, pipeline, questions);
    for (const [n, answer] of answers.entries()) {
      if (n >= 50) expect(answer).toMatchObject({ message: `no such stream: ${key}:ü${n}` });
      else expect(answer).toMatchObject({ lastId: `${n + 1}-0` });
    }
    expect(answers.slice(50).every((answer) => answer instanceof ServerError)).toBe(true);
  },
);

test("answers over a pipeline read like those over the connection", async () => {
  const redis = rawRedis();
  const key = uniqueKey("ask");
  await redis.xadd(key, "1-0", "a", "1");
  await redis.xgroup("CREATE", key, "grün", "0");
  const connection = await openConnection();
  const pipeline = await connection.pipeline("", { text: true });
  const found: { groups?: GroupInfo[] | ServerError; stream?: StreamInfo | ServerError }[] = [];
  for (const way of [pipeline, undefined]) {
    const answers: (typeof found)[number] = {};
    await ask(connection, way, [
      groupsQuestion(key, (answer) => (answers.groups = answer)),
      streamQuestion(key, (answer) => (answers.stream = answer)),
    ]);
    found.push(answers);
  }
  expect(found[0]).toEqual(found[1]);
  expect(found[0]).toMatchObject({ groups: [{ name: "grün" }], stream: { length: 1 } });
});

test("when the pipeline dies, questions without an answer are asked over the connection, also later ones", async () => {
  const redis = rawRedis();
  const key = uniqueKey("ask");
  await redis.xadd(key, "1-0", "a", "1");
  const proxy = await Proxy.start();
  const connection = await openConnection(proxy.url);
  const pipeline = await connection.pipeline("", { text: true });
  proxy.swallowReplies();
  const asked = answersTo(connection, pipeline, [
    ["XLEN", key],
    ["XLEN", `${key}:none`],
  ]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  proxy.cut();
  proxy.pass();
  expect(await asked).toEqual([1, 0]);
  expect(pipeline.alive).toBe(false);
  expect(await answersTo(connection, pipeline, [["XLEN", key]])).toEqual([1]);
});

test("no questions are answered at once", async () => {
  const connection = await openConnection();
  const pipeline = await connection.pipeline("", { text: true });
  expect(await answersTo(connection, pipeline, [])).toEqual([]);
});

test("200 looks at many streams at once: none waits for an answer that never comes", async () => {
  const redis = rawRedis();
  const key = uniqueKey("bulk");
  const streams = Array.from({ length: 60 }, (_, n) => streamKey(`${key}:${n}`));
  for (const stream of streams) {
    await redis.xgroup("CREATE", stream, "g", "0", "MKSTREAM");
    for (let n = 0; n < 3; n++) await redis.xadd(stream, `${n + 1}-0`, "a", "x".repeat(500));
    await redis.xreadgroup("GROUP", "g", "c", "COUNT", 1, "STREAMS", stream, ">");
  }
  const connection = await openConnection();
  const { signal } = new AbortController();
  const request = { streams, named: new Set<string>(), countLimit: 1_000, signal };
  const look = (): Promise<GroupLag[]> => groupLags(connection, request);
  const first = await look();
  expect(first).toHaveLength(60);
  for (let round = 0; round < 50; round++) {
    const looks = await Promise.all([look(), look(), look(), look()]);
    for (const rows of looks)
      expect(rows.map(({ lag, pending }) => [lag, pending])).toEqual(first.map(() => [2, 1]));
  }
});
