import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { uniqueKey } from "../../support/cli.ts";
import { rawRedis } from "../../support/redis.ts";
import { deadLetters, drain, fill } from "../../support/worker.ts";

/** What stands in a waiting shell's own text, or must not, has to do what it does under `sh -c`. */
test.each([
  ["a program", "printf 'a b\\n'"],
  ["an exit code", "exit 7"],
  ["the last program's exit code", "true; sh -c 'exit 9'"],
  ["a death by a signal", 'sh -c "kill -KILL \\$\\$"'],
  ["a comment at the end", "printf 'x\\n' # done"],
  ["a separator at the end", "printf 'x\\n';"],
  ["a background job at the end", "printf 'x\\n'; true &"],
  ["a trap before the last program", "trap 'echo bye' EXIT; cat /dev/null"],
  ["a backslash at the end", "printf 'x\\n' \\"],
  ["a here-document", "cat <<END\nx\nEND"],
  ["a here-document without an end", "cat <<END\nx"],
  ["an alias used on the next line", "alias say='printf \"said %s\\n\"'\nsay x"],
  ["a loop left too often", "break 3; printf 'x\\n'; exit 4"],
  ["an option that ends the shell", "set -e; false; exit 5"],
  ["another program in its place", "exec sh -c 'printf \"x\\n\"; exit 6'"],
  ["the shell's own number", "test $$ -gt 1 && exit 8"],
])("a command with %s does what it does under sh -c", async (_, command) => {
  const redis = rawRedis();
  const stream = uniqueKey();
  await fill(redis, stream, 2);
  const plain = spawnSync("/bin/sh", ["-c", command], { encoding: "utf8" });
  const { stdout, code } = await drain(stream, command, ["--max-deliveries", "1", "--stdin", "none"]);
  expect(code).toBe(0);
  expect(stdout).toBe(wholeLines(plain.stdout).repeat(2));
  // A shell that waits for a killed program exits with 128 + the signal's number.
  const reason = plain.status === 137 ? "signal KILL" : `exit ${plain.status}`;
  const dead = await deadLetters(redis, `${stream}:dlq`);
  expect(dead.map((letter) => letter["dlq.reason"])).toEqual(plain.status === 0 ? [] : [reason, reason]);
});

/** Output is passed on by lines, so one without an end is given it. */
function wholeLines(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
