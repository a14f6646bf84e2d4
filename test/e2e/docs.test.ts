import { access, chmod, constants, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";
import { SandboxServer } from "../../src/sandbox/server.ts";
import { type BinResult, BinRun, PROGRAM } from "../support/bin.ts";
import { type Block, blocksOf, pageNames, readPage } from "../support/pages.ts";
import { killAll } from "../support/processes.ts";
import { rawRedis, until } from "../support/redis.ts";

/**
 * Each page is typed from its top to its end, as a reader would, in a folder and on a server of its own; the comments
 * that say what a page does not are described in test/support/pages.ts.
 */
test.each(await pageNames())("%s: every command line does what the page says", async (page) => {
  const blocks = blocksOf(page, await readPage(page));
  if (!blocks.some(({ language }) => language === "sh")) return;
  const reader = await Reader.start();
  let before: BinResult | undefined;
  for (const block of blocks) {
    const reason = block.notRun ?? (await reader.missing(block));
    if (reason !== undefined) console.log(`${placeOf(block)} not run: ${reason}`);
    else if (block.setUp !== undefined) await reader.setUp(block);
    if (block.file !== undefined) await reader.write(block.file, block.text);
    else if (block.language === "sh") before = reason === undefined ? await reader.type(block) : undefined;
    else if (block.prints && before) expect(before.stdout, placeOf(block)).toBe(block.text);
  }
});

const placeOf = ({ page, line }: Block): string => `${page}:${line}`;

/** The run's end; fails when it does not come. */
async function ended(run: BinRun, place: string): Promise<BinResult> {
  let result: BinResult | undefined;
  void run.done.then((done) => (result = done));
  try {
    return await until(`${place} ends`, () => result, 100_000);
  } finally {
    if (result === undefined) killAll(await run.processes());
  }
}

/** A folder with streamctl on its PATH, and a server. */
class Reader {
  readonly #folder: string;
  readonly #url: string;
  readonly #path: string;
  readonly #version: string;

  private constructor(folder: string, url: string, path: string, version: string) {
    this.#folder = folder;
    this.#url = url;
    this.#path = path;
    this.#version = version;
  }

  static async start(): Promise<Reader> {
    const executable = inject("redisExecutable");
    const server = await SandboxServer.start({ executable });
    onTestFinished(() => server.stop());
    const folder = await mkdtemp(join(tmpdir(), "page-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const [, version = ""] = /^redis_version:(\S+)/m.exec(await rawRedis(server.url).info("server")) ?? [];
    const path = [join(folder, "bin"), process.env["PATH"], dirname(executable)].join(delimiter);
    const reader = new Reader(folder, server.url, path, version);
    // What a page exports as the default address is this server.
    const url = `case $STREAMCTL_URL in *:6379) export STREAMCTL_URL=${server.url};; esac`;
    await reader.write(
      "bin/streamctl",
      `#!/bin/sh\n${url}\nexec ${PROGRAM.map((word) => `"${word}"`).join(" ")} "$@"\n`,
    );
    const cli = (await reader.#which("redis-cli")) ?? (await reader.#which("valkey-cli"));
    if (cli !== undefined)
      await reader.write("bin/redis-cli", `#!/bin/sh\nexec ${cli} -u ${server.url} "$@"\n`);
    return reader;
  }

  /** Scripts can be run. */
  async write(name: string, text: string): Promise<void> {
    const path = join(this.#folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    if (text.startsWith("#!")) await chmod(path, 0o755);
  }

  /** Why this machine can't run the block. */
  async missing({ needs }: Block): Promise<string | undefined> {
    for (const need of needs) {
      const [, version] = /^redis ([\d.]+)$/.exec(need) ?? [];
      if (version === undefined) {
        if ((await this.#which(need)) === undefined) return `there is no ${need}`;
      } else if (this.#version.localeCompare(version, "en", { numeric: true }) < 0) return `needs ${need}`;
    }
    return undefined;
  }

  async setUp(block: Block): Promise<void> {
    const { code, stderr } = await ended(this.#run(block.setUp ?? ""), placeOf(block));
    expect(code, `${placeOf(block)}, before it: ${stderr}`).toBe(0);
  }

  /** Runs a block and checks what it ends with. */
  async type(block: Block): Promise<BinResult> {
    const run = this.#run(block.text);
    if (block.stop) {
      await until(`${placeOf(block)} has written something`, () => run.stdout + run.stderr, 100_000);
      // What it has just forked looks like itself.
      const own = (await run.processes()).filter(({ command }) => command.includes(PROGRAM.at(-1) ?? ""));
      process.kill(Math.min(...own.map(({ pid }) => pid)), "SIGTERM");
    }
    const result = await ended(run, placeOf(block));
    expect(result.code, `${placeOf(block)}:\n${block.text}${result.stderr}`).toBe(block.exits);
    return result;
  }

  #run(script: string): BinRun {
    return new BinRun(["--norc", "-eEuo", "pipefail", "-c", script], {
      program: ["bash"],
      cwd: this.#folder,
      url: this.#url,
      env: { PATH: this.#path, HOME: this.#folder },
    });
  }

  async #which(program: string): Promise<string | undefined> {
    for (const folder of this.#path.split(delimiter)) {
      const path = join(folder, program);
      const found = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
    return undefined;
  }
}
