import {
  chmod,
  chown,
  copyFile,
  lstat,
  open,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { describe, expect, onTestFinished, test } from "vitest";
import { BIN, bin, type BinOptions, type BinResult, copyOfProgram } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";

interface Loaded {
  /** Files of the program, without their hashes. */
  readonly chunks: readonly string[];
  /** Packages of which something is in them. */
  readonly packages: readonly string[];
  /** Parts of Node, besides what it loads for an empty file. */
  readonly node: readonly string[];
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "streamctl-start-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** What a run of a script loads: paths of chunks, and parts of Node. */
async function namesLoaded(
  argv: readonly string[],
  options: BinOptions = {},
  script = BIN,
): Promise<{ paths: string[]; node: string[] }> {
  const folder = await temporaryFolder();
  const list = join(folder, "loaded.json");
  const hook = join(folder, "hook.cjs");
  await writeFile(
    hook,
    `const vm = require("node:vm");
    const paths = [];
    const { Script } = vm;
    vm.Script = class extends Script {
      constructor(source, options) {
        paths.push(options.filename);
        super(source, options);
      }
    };
    const pid = process.pid;
    process.on("exit", () => {
      const node = process.moduleLoadList.map((name) => name.replace(/^NativeModule /, ""));
      if (pid === process.pid) require("node:fs").writeFileSync(${JSON.stringify(list)}, JSON.stringify({ paths, node }));
    });`,
  );
  // As in a shell: Node's own children have sockets, which take Node's streams.
  const output = await open(join(folder, "stdout"), "w");
  onTestFinished(() => output.close());
  const { code, stderr } = await bin(argv, {
    ...options,
    stdout: output.fd,
    program: [process.execPath, "--require", hook, script],
  });
  expect(code, stderr).toBe(0);
  return JSON.parse(await readFile(list, "utf8")) as { paths: string[]; node: string[] };
}

/** The parts of Node that an empty file loads. */
let bare: readonly string[] | undefined;

async function ofEmptyFile(): Promise<readonly string[]> {
  const empty = join(await temporaryFolder(), "empty.cjs");
  await writeFile(empty, "");
  return (await namesLoaded([], {}, empty)).node;
}

async function loadedBy(argv: readonly string[], options: BinOptions = {}): Promise<Loaded> {
  bare ??= await ofEmptyFile();
  const { paths, node } = await namesLoaded(argv, options);
  const sources = await Promise.all(paths.map((path) => readFile(path, "utf8")));
  const packages = sources.flatMap((source) =>
    [...source.matchAll(/\/\/ node_modules\/((?:@[\w.-]+\/)?[\w.-]+)/g)].map(([, name = ""]) => name),
  );
  return {
    chunks: paths.map((path) => basename(path).replace(/(-[\w-]{8})?\.cjs$/, "")).sort(),
    packages: [...new Set(packages)].sort(),
    node: node
      .filter((name) => /^[a-z_/]+$/.test(name) && !name.startsWith("internal/") && !bare?.includes(name))
      .sort(),
  };
}

/** What ioredis consists of. */
const REDIS = [
  "@ioredis/commands",
  "cluster-key-slot",
  "denque",
  "ioredis",
  "redis-errors",
  "standard-as-callback",
];
const FLAGS = ["bytes", "commander", "ms"];
const WIDTHS = ["ansi-regex", "emoji-regex", "is-fullwidth-code-point", "string-width", "strip-ansi"];
const SOCKETS = [
  "diagnostics_channel",
  "net",
  // The clock that is not set.
  "perf_hooks",
  "process",
  "stream",
  "stream/promises",
  "string_decoder",
];

describe("a command loads no more than it needs:", () => {
  const START = ["main", "rolldown-runtime", "run"];
  const cases: {
    name: string;
    argv: (key: string) => readonly string[];
    chunks: readonly string[];
    packages: readonly string[];
    /** Node 20 loads some of them, later ones have them at once. */
    node: readonly string[];
  }[] = [
    { name: "--version", argv: () => ["--version"], chunks: [], packages: [], node: [] },
    {
      name: "--help",
      argv: () => ["--help"],
      chunks: ["commands", ...START],
      packages: FLAGS,
      node: ["process"],
    },
    {
      name: "lag",
      argv: (key) => ["lag", key],
      chunks: ["look", "redis", ...START],
      packages: [...FLAGS, ...REDIS],
      node: SOCKETS,
    },
    {
      name: "lag -o json",
      argv: (key) => ["lag", key, "-o", "json"],
      chunks: ["look", "redis", ...START],
      packages: [...FLAGS, ...REDIS],
      node: SOCKETS,
    },
    {
      name: "ls",
      argv: (key) => ["ls", key],
      chunks: ["commands", "look", "redis", ...START],
      packages: [...FLAGS, ...REDIS],
      node: SOCKETS,
    },
    {
      name: "Tab for a flag",
      argv: () => ["__complete", "--", "streamctl lag --"],
      chunks: ["complete-run", ...START],
      packages: FLAGS,
      node: ["process"],
    },
    {
      name: "Tab for a stream",
      argv: (key) => ["__complete", "--", `streamctl lag ${key}`],
      chunks: ["complete-run", "look", "look-up", "redis", ...START],
      packages: [...FLAGS, ...REDIS],
      node: SOCKETS,
    },
    {
      name: "produce",
      argv: (key) => ["produce", key, "-q"],
      chunks: ["commands", "common", "look", "produce-run", "redis", "text-input", "text-width", ...START],
      packages: [...FLAGS, ...REDIS, ...WIDTHS],
      node: SOCKETS,
    },
    {
      name: "consume --exec",
      argv: (key) => ["consume", key, "-g", "g", "--exec", "cat >&2", "--until-empty", "-q"],
      chunks: [
        "commands",
        "common",
        "consume-run",
        "consumer-name",
        "look",
        "redis",
        "roster",
        "text-width",
        "worker",
        ...START,
      ],
      packages: [...FLAGS, ...REDIS, ...WIDTHS],
      node: [...SOCKETS, "child_process", "crypto", "dgram", "fs/promises", "os"],
    },
  ];
  test.each(cases)("$name", async ({ argv, chunks, packages, node }) => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xgroup("CREATE", key, "g", "$", "MKSTREAM");
    await redis.xadd(key, "1-1", "a", "1");
    const loaded = await loadedBy(argv(key), { stdin: '{"a":"1"}\n' });
    expect(loaded.chunks).toEqual(chunks.toSorted());
    expect(loaded.packages).toEqual(packages.toSorted());
    expect(loaded.node.filter((name) => !node.includes(name))).toEqual([]);
  });
});

describe("the compiled code of the last run", () => {
  interface Program {
    readonly home: string;
    /** The built program, this test's own. */
    readonly main: string;
    readonly run: (...argv: string[]) => Promise<BinResult>;
    /** What it keeps, by the names of commands. */
    readonly kept: () => Promise<string[]>;
    readonly file: (command: string) => Promise<string>;
  }

  async function program(env: Record<string, string> = {}): Promise<Program> {
    const copy = await copyOfProgram(await temporaryFolder());
    const home = await temporaryFolder();
    const folder = join(home, ".cache", "streamctl", "code");
    const files = (): Promise<string[]> => readdir(folder).catch(() => []);
    return {
      home,
      main: join(copy[1], "..", "..", "dist", "main.cjs"),
      run: (...argv) =>
        bin(argv, { program: copy, env: { NODE_COMPILE_CACHE: undefined, HOME: home, ...env } }),
      kept: async () => (await files()).map((name) => name.split("-")[0] ?? ""),
      file: async (command) =>
        join(folder, (await files()).find((name) => name.startsWith(command)) ?? "none"),
    };
  }

  const fine = { code: 0, stderr: "" };

  test("is kept for this user alone, a file for each command", async () => {
    const { run, kept, file } = await program();
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect(await run("--help")).toMatchObject(fine);
    expect(await kept()).toEqual(expect.arrayContaining(["help", "ls"]));
    expect((await stat(await file("ls"))).mode & 0o777).toBe(0o600);
    const { mtimeMs } = await stat(await file("ls"));
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect((await stat(await file("ls"))).mtimeMs).toBe(mtimeMs);
  });

  test("loads what the command loads when it needs it, as the first run did", async () => {
    const { run } = await program();
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-1", "a", "abc");
    const printed = { ...fine, stdout: expect.stringContaining("abc") as string };
    for (let n = 0; n < 3; n++)
      expect(await run("consume", key, "--where", "a~b+", "-q")).toMatchObject(printed);
  });

  test("is not run by another build, whose code has the same length", async () => {
    const { run, main, file } = await program();
    expect(await run("ls", "-q")).toMatchObject(fine);
    const { size } = await stat(await file("ls"));
    const words = "process.argv.slice(2)";
    const text = await readFile(main, "utf8");
    expect(text).toContain(words);
    await writeFile(main, text.replace(words, '["--version"]'.padEnd(words.length)));
    expect(await run("ls", "-q")).toMatchObject({ ...fine, stdout: `${manifest.version}\n` });
    expect((await stat(await file("ls"))).size).toBeLessThan(size);
  });

  test.each([
    ["that is cut off", (file: string) => truncate(file, 10_000)],
    ["that is empty", (file: string) => truncate(file, 0)],
    ["that is something else", (file: string) => writeFile(file, "lag\n")],
    ["of another V8", async (file: string) => writeFile(file, otherV8(await readFile(file)))],
  ])("%s is made anew", async (_, spoil) => {
    const { run, file } = await program();
    expect(await run("ls", "-q")).toMatchObject(fine);
    const path = await file("ls");
    const { size } = await stat(path);
    await spoil(path);
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect((await stat(path)).size).toBeGreaterThan(size * 0.9);
    await run("ls", "-q");
    expect((await readdir(join(path, ".."))).length).toBe(1);
  });

  test("that others could have written is not run", async () => {
    const { run, file } = await program();
    await run("ls", "-q");
    const path = await file("ls");
    await chmod(path, 0o666);
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("that is a link is not run", async () => {
    const { run, file, home } = await program();
    await run("ls", "-q");
    const path = await file("ls");
    const elsewhere = join(home, "elsewhere");
    await rename(path, elsewhere);
    await symlink(elsewhere, path);
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect((await lstat(path)).isSymbolicLink()).toBe(false);
  });

  test("goes when nothing has written it for 90 days", async () => {
    const { run, file } = await program();
    await run("ls", "-q");
    const path = await file("ls");
    const old = `${path}-of-another-node`;
    await copyFile(path, old);
    const then = Date.now() / 1_000 - 91 * 86_400;
    await utimes(old, then, then);
    await run("--help");
    await expect(stat(old)).rejects.toThrow("ENOENT");
    await stat(path);
  });

  test("is kept of no run that failed, and of no word that is no command", async () => {
    const { run, kept } = await program();
    expect(await run("lag", uniqueKey())).toMatchObject({ code: 4 });
    expect(await run("lagg")).toMatchObject({ code: 2 });
    expect(await kept()).toEqual([]);
  });

  test("is not kept where Node is told to keep none, nor in a home that is not there", async () => {
    const { run, home } = await program({ NODE_DISABLE_COMPILE_CACHE: "1" });
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect(await readdir(home)).toEqual([]);
    const away = join(home, "away");
    const other = await program({ HOME: away });
    expect(await other.run("ls", "-q")).toMatchObject(fine);
    await expect(stat(away)).rejects.toThrow("ENOENT");
  });

  test("leaves nothing in the home of another user, as under sudo", async ({ skip }) => {
    skip(process.getuid?.() !== 0, "giving a folder to another user takes root");
    const { run, home } = await program();
    await chown(home, 12_345, 12_345);
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect(await readdir(home)).toEqual([]);
  });

  test("is done without where it can't be written", async () => {
    const { run, home } = await program({ XDG_CACHE_HOME: "/proc/none" });
    expect(await run("ls", "-q")).toMatchObject(fine);
    expect(await readdir(home)).toEqual([]);
  });
});

/** With the version in the first chunk's data that no V8 has. */
function otherV8(bytes: Buffer): Buffer {
  const start = bytes.indexOf("\n") + 1;
  bytes.writeUInt32LE(~bytes.readUInt32LE(start + 4) >>> 0, start + 4);
  return bytes;
}
