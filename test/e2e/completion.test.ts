import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { bin } from "../support/bin.ts";
import { ROOT } from "../support/build.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";

/** What bash offers at the end of this line, with streamctl on PATH; `words` is how bash splits it. */
async function bashOffers(
  line: string,
  words: string[],
  env: Record<string, string> = {},
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "path-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "streamctl");
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${ROOT}/bin/streamctl.js" "$@"\n`);
  await chmod(program, 0o755);
  const script = `source "${ROOT}/completions/streamctl.bash"
COMP_LINE=$1 COMP_POINT=\${#1}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_streamctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const result = await bin([line, ...words], {
    program: ["bash", "-c", script, "bash"],
    env: { PATH: `${folder}${delimiter}${process.env["PATH"]}`, ...env },
  });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return result.stdout.split("\n").filter((name) => name !== "");
}

test("Tab offers the streams of the server, past colons, and none whose name a shell would act on", async () => {
  const key = uniqueKey("tab");
  const redis = rawRedis();
  for (const name of [`${key}:eu`, `${key}:us`, `${key}:$(touch hacked)`, `${key}:a b`])
    await redis.xadd(name, "*", "a", "1");
  await redis.set(`${key}:text`, "not a stream");
  const typed = `${key}:`;
  const words = typed.split(/(:)/).filter((word) => word !== "");
  expect(await bashOffers(`streamctl consume ${typed}`, ["streamctl", "consume", ...words])).toEqual([
    "eu",
    "us",
  ]);
  expect(await bashOffers(`streamctl lag ${typed}e`, ["streamctl", "lag", ...words, "e"])).toEqual(["eu"]);
});

test("Tab is silent where there is no server", async () => {
  const env = { STREAMCTL_URL: "redis://127.0.0.1:1" };
  expect(await bashOffers("streamctl consume o", ["streamctl", "consume", "o"], env)).toEqual([]);
});
