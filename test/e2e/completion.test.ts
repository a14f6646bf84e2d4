import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { bin, PROGRAM } from "../support/bin.ts";
import { ROOT } from "../support/build.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";
import { userWith } from "../support/users.ts";
import { serverUrl } from "../support/server-url.ts";

/** A folder with streamctl, which is removed with all that a shell leaves in it. */
async function folderWithProgram(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "path-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "streamctl");
  await writeFile(program, `#!/bin/sh\nexec ${PROGRAM.map((word) => `"${word}"`).join(" ")} "$@"\n`);
  await chmod(program, 0o755);
  return folder;
}

async function shellOffers(
  program: [string, ...string[]],
  args: string[],
  env: Record<string, string>,
): Promise<string[]> {
  const folder = await folderWithProgram();
  const PATH = `${folder}${delimiter}${process.env["PATH"]}`;
  const result = await bin(args, { program, env: { HOME: folder, PATH, ...env } });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return result.stdout.split("\n").filter((name) => name !== "");
}

/** What bash offers at the end of this line, with streamctl on PATH; `words` is how bash splits it. */
function bashOffers(line: string, words: string[], env: Record<string, string> = {}): Promise<string[]> {
  const script = `source "${ROOT}/completions/streamctl.bash"
COMP_LINE=$1 COMP_POINT=\${#1}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_streamctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return shellOffers(["bash", "-c", script, "bash"], [line, ...words], env);
}

/** What it offers when the server has answered in time: a Tab on a machine that stands still offers nothing. */
async function offersOfServer(
  line: string,
  names: readonly string[],
  words = bashWords(line),
  env: Record<string, string> = {},
): Promise<void> {
  await expect.poll(() => bashOffers(line, words, env), { message: line }).toEqual(names);
}

/** The same of zsh, whose own functions print what they are given. */
function zshOffers(line: string): Promise<string[]> {
  const script = `compdef() { }
_describe() { print -rl -- \${(P)@[-1]} }
compadd() { print -rl -- \${(P)@[-1]} }
compset() { PREFIX=\${PREFIX#*=} }
_files() { print -r -- files of $PREFIX }
source "${ROOT}/completions/_streamctl"
words=("\${(@)\${(@s: :)1}}") CURRENT=\${#words} PREFIX=\${words[-1]}
_streamctl`;
  return shellOffers(["zsh", "-f", "-c", script, "zsh"], [line], {});
}

function fishOffers(line: string): Promise<string[]> {
  const script = `source "${ROOT}/completions/streamctl.fish"; complete -C $argv[1]`;
  return shellOffers(["fish", "--no-config", "-c", script], [line], {});
}

/** The names of commands, flags and values alone. */
function withoutAbout(offers: readonly string[]): string[] {
  return offers.map((offer) => offer.replace(/[:\t].*/, ""));
}

describe("commands, flags and values", () => {
  test("in bash", async () => {
    const offers = (line: string): Promise<string[]> => bashOffers(line, bashWords(line));
    expect(await offers("streamctl cons")).toEqual(["consume"]);
    expect(await offers("streamctl dlq ")).toEqual(["list", "show", "replay", "purge", "add"]);
    expect(await offers("streamctl lag --max-p")).toEqual(["--max-pending"]);
    expect(await offers("streamctl lag -o pro")).toEqual(["prometheus"]);
    expect(await offers("streamctl lag --output=n")).toEqual(["ndjson"]);
    expect(await offers("streamctl lag --output=")).toContain("table");
    const folder = join(ROOT, "completions");
    expect(await offers(`streamctl produce orders --file ${folder}/streamctl.b`)).toEqual([
      `${folder}/streamctl.bash`,
    ]);
    expect(await offers("streamctl group create orders billing --at ")).toEqual([]);
  });

  test("in zsh, with what they do", async (context) => {
    if (!isInstalled("zsh")) return context.skip("zsh is not installed");
    expect(await zshOffers("streamctl ")).toContain("lag:show how far each group is behind");
    expect(withoutAbout(await zshOffers("streamctl dlq "))).toEqual([
      "list",
      "show",
      "replay",
      "purge",
      "add",
    ]);
    expect(await zshOffers("streamctl lag -")).toContain("--group:the consumer group");
    expect(await zshOffers("streamctl lag --output=n")).toContain("ndjson");
    expect(await zshOffers("streamctl produce orders --file a")).toEqual(["files of a"]);
    expect(await zshOffers("streamctl produce orders --file=a")).toEqual(["files of a"]);
  });

  test("in fish, with what they do", async (context) => {
    if (!isInstalled("fish")) return context.skip("fish is not installed");
    expect(await fishOffers("streamctl la")).toEqual(["lag\tshow how far each group is behind"]);
    expect(withoutAbout(await fishOffers("streamctl lag --max-p"))).toEqual(["--max-pending"]);
    expect(await fishOffers("streamctl lag --output=n")).toContain("--output=ndjson");
    const file = join(ROOT, "package-l");
    expect(await fishOffers(`streamctl produce orders --file=${file}`)).toEqual([`--file=${file}ock.json`]);
  });

  test("also where the configuration is broken, and without a server", async () => {
    const env = { STREAMCTL_URL: "redis://127.0.0.1:1", STREAMCTL_PORT: "none", STREAMCTL_QUIET: "maybe" };
    expect(await bashOffers("streamctl lag -o t", ["streamctl", "lag", "-o", "t"], env)).toEqual(["table"]);
  });
});

function isInstalled(shell: string): boolean {
  return spawnSync(shell, ["-c", "true"]).error === undefined;
}

test("Tab offers the streams of the server, past colons, and none whose name a shell would act on", async () => {
  const key = uniqueKey("tab");
  const redis = rawRedis();
  for (const name of [`${key}:eu`, `${key}:us`, `${key}:$(touch hacked)`, `${key}:a b`])
    await redis.xadd(name, "*", "a", "1");
  await redis.set(`${key}:text`, "not a stream");
  const typed = `${key}:`;
  const words = typed.split(/(:)/).filter((word) => word !== "");
  await offersOfServer(`streamctl consume ${typed}`, ["eu", "us"], ["streamctl", "consume", ...words]);
  await offersOfServer(`streamctl lag ${typed}e`, ["eu"], ["streamctl", "lag", ...words, "e"]);
});

/** The words of a line as bash splits them for a completion function. */
function bashWords(line: string): string[] {
  const words = line.split(" ").flatMap((word) => word.split(/([:=])/).filter((part) => part !== ""));
  return line.endsWith(" ") ? [...words, ""] : words;
}

test("Tab offers the groups, consumers, pending IDs and dead letters of the stream on the line", async () => {
  const key = uniqueKey("tab");
  const redis = rawRedis();
  await redis.xgroup("CREATE", key, "billing", "0", "MKSTREAM");
  await redis.xgroup("CREATE", key, "bi:lateral", "0");
  await redis.xadd(key, "1-0", "a", "1");
  await redis.xadd(key, "2-0", "a", "1");
  await redis.xreadgroup("GROUP", "billing", "worker-1", "COUNT", 1, "STREAMS", key, ">");
  await redis.xadd(`${key}:dlq`, "1694012345678-0", "a", "1");
  await redis.xadd(`${key}:dlq`, "1694012345679-0", "a", "1");
  const offers: [string, string[]][] = [
    [`pending ${key} -g `, ["bi:lateral", "billing"]],
    [`lag ${key} --group=bil`, ["billing"]],
    [`pending ${key} -g bi:l`, ["lateral"]],
    [`group destroy ${key} bil`, ["billing"]],
    [`claim ${key} -g billing --from-consumer w`, ["worker-1"]],
    [`group forget-consumer ${key} `, ["worker-1"]],
    [`ack ${key} -g billing `, ["1-0"]],
    [`dlq show ${key} `, ["1694012345679-0", "1694012345678-0"]],
    [`dlq replay ${key} 1694012345678`, ["1694012345678-0"]],
  ];
  for (const [rest, names] of offers) await offersOfServer(`streamctl ${rest}`, names);
});

test("Tab asks the server that the line names, and knows the profiles", async () => {
  const key = uniqueKey("tab");
  await rawRedis().xadd(key, "*", "a", "1");
  const { host, hostname, port } = new URL(serverUrl());
  const folder = await mkdtemp(join(tmpdir(), "config-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "config.yaml");
  const profiles = `profiles: { here: { url: "redis://${host}" }, asks: { url: "redis://${host}", askpass: true } }`;
  await writeFile(file, profiles);
  const env = { STREAMCTL_URL: "redis://127.0.0.1:1" };
  const short = key.slice(0, -1);
  for (const where of [
    `-u redis://${host}/0`,
    `--url="redis://${host}"`,
    `-H ${hostname} -p ${port}`,
    `--config ${file} --profile here`,
  ]) {
    const line = `streamctl ${where} consume ${short}`;
    await offersOfServer(line, [key.split(":").at(-1) ?? ""], bashWords(line), env);
  }
  const profile = `streamctl lag --config ${file} --profile `;
  expect(await bashOffers(profile, bashWords(profile), env)).toEqual(["asks", "here"]);
  const asking = `streamctl lag --config ${file} --profile asks ${short}`;
  expect(await bashOffers(asking, bashWords(asking), env), "nothing is asked at Tab").toEqual([]);
});

describe("Tab is silent", () => {
  test("where there is no server", async () => {
    const env = { STREAMCTL_URL: "redis://127.0.0.1:1" };
    expect(await bashOffers("streamctl consume o", ["streamctl", "consume", "o"], env)).toEqual([]);
    const line = "streamctl lag orders -g ";
    expect(await bashOffers(line, bashWords(line), env)).toEqual([]);
  });

  test("where the configuration is broken, a key is no stream, or the user may not look", async () => {
    const redis = rawRedis();
    const key = uniqueKey("tab");
    await redis.set(key, "x");
    const { url } = await userWith(redis, ["~*", "+ping"]);
    const line = `streamctl lag ${key} -g `;
    expect(await bashOffers(line, bashWords(line))).toEqual([]);
    expect(await bashOffers(line, bashWords(line), { STREAMCTL_URL: url })).toEqual([]);
    expect(
      await bashOffers(line, bashWords(line), { STREAMCTL_PORT: "none", STREAMCTL_QUIET: "maybe" }),
    ).toEqual([]);
  });

  test("and gives up soon where a server accepts and says nothing", async () => {
    const mute = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void mute.close());
    await once(mute, "listening");
    const sockets: Socket[] = [];
    mute.on("connection", (socket) => sockets.push(socket));
    const { port } = mute.address() as AddressInfo;
    const line = `streamctl -p ${port} lag o`;
    expect(await bashOffers(line, bashWords(line), { STREAMCTL_URL: "redis://127.0.0.1" })).toEqual([]);
    for (const socket of sockets) socket.destroy();
  });
});
