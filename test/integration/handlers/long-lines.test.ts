import { describe, expect, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadLetters, drain, fill, pendingIn } from "../../support/worker.ts";

const MIB = 1024 * 1024;
/** Prints that many MiB of one letter. */
const print = (mib: number): string => `head -c ${mib * MIB} /dev/zero | tr '\\0' x`;

/** In a waiting shell, and as a process of its own. */
const MANNERS: readonly (readonly string[])[] = [[], ["--env-fields"]];

describe("a line of a handler", () => {
  test.each(MANNERS)("of several MiB is passed on whole %s", async (...flags) => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 2);
    const { code, stdout } = await drain(stream, `${print(3)}; echo; echo end`, [...flags, "-j", "2"]);
    expect(code).toBe(0);
    const line = "x".repeat(3 * MIB);
    expect(stdout.split("\n").toSorted().join("\n") === ["", "end", "end", line, line].join("\n")).toBe(true);
  });

  test.each(MANNERS)("of several MiB is emitted as one entry %s", async (...flags) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const result = await drain(stream, print(3), [...flags, "--emit", `${stream}:out`]);
    expect(result.code).toBe(0);
    const emitted = await redis.xrange(`${stream}:out`, "-", "+");
    expect(emitted.map(([, fields]) => [fields[0], fields[1]?.length])).toEqual([["payload", 3 * MIB]]);
  });

  test.each([
    ...MANNERS.map((flags) => [...flags]),
    ["--emit", "OUT"],
    ["--env-fields", "--emit", "OUT"],
    ["--batch", "2"],
  ])("that is too long to hold fails its entry by name %s", async (...flags) => {
    const redis = rawRedis();
    const stream = uniqueKey();
    await fill(redis, stream, 1);
    const more = flags.map((flag) => flag.replace("OUT", `${stream}:out`));
    const { code, stdout } = await drain(stream, `echo begin; ${print(17)}; echo; echo end`, more);
    expect(code).toBe(0);
    expect(stdout).not.toContain("x");
    expect(await redis.exists(`${stream}:out`)).toBe(0);
    const [letter] = await deadLetters(redis, `${stream}:dlq`);
    expect(letter?.["dlq.reason"]).toMatch(/^printed (a line of )?more than 16 MiB$/);
  });

  test("on stderr may be of any length, and every byte of it comes through", async () => {
    const stream = uniqueKey();
    await fill(rawRedis(), stream, 1);
    const { code, stderr } = await drain(stream, `exec >&2; echo begin; ${print(18)}; echo; echo end`, [
      "--env-fields",
      "--tag",
    ]);
    expect(code).toBe(0);
    const begin = stderr.indexOf("begin\n");
    const line = stderr.indexOf("x", begin);
    const end = stderr.indexOf("\n", line);
    expect(stderr.slice(begin, line)).toMatch(/^begin\n\d+-0 $/);
    expect(stderr.slice(line, end) === "x".repeat(18 * MIB)).toBe(true);
    expect(stderr.slice(end)).toMatch(/^\n\d+-0 end\n/);
  });
});

test("a piece of a long line on fd 3 is no result", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  const [id] = await fill(redis, stream, 1);
  const spaces = (mib: number): string => `head -c ${mib * MIB} /dev/zero | tr '\\0' ' '`;
  const hidden = `{ ${print(1)}; ${spaces(1)}; printf '${id} ok'; ${spaces(2)}; } >&3; exit 1`;
  const { stderr } = await drain(stream, hidden, ["--batch", "2", "--max-deliveries", "1"]);
  expect(stderr).toContain("is no result");
  expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([{ "dlq.reason": "exit 1" }]);
});

test("an answer of a persistent handler that is too long is nonsense", async () => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 1);
  const flags = ["--persistent", "--max-deliveries", "1"];
  expect((await drain(stream, `read line; ${print(17)}; echo; echo ok; cat`, flags)).code).toBe(0);
  expect(await deadLetters(redis, `${stream}:dlq`)).toMatchObject([
    { "dlq.reason": expect.stringMatching(/^answered nonsense: .*too long/) },
  ]);
  expect(await pendingIn(redis, stream)).toBe(0);
});
