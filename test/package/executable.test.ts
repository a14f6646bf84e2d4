import { access, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { findOnPath } from "../../src/sandbox/find-server.ts";
import { bin, BIN } from "../support/bin.ts";
import { uniqueKey } from "../support/cli.ts";
import { rawRedis } from "../support/redis.ts";

const out = inject("artifacts");
const file = (arch: string): string => join(out, `streamctl-${manifest.version}-linux-${arch}`);
const built = await access(file("x64")).then(
  () => true,
  () => false,
);
if (!built) console.log("not run: the tests of the executables, which only npm run package builds");

const emulator =
  (await findOnPath("qemu-aarch64-static", process.env)) ?? (await findOnPath("qemu-aarch64", process.env));
if (built && emulator === undefined) console.log("not run: the executable for arm64 (needs qemu-aarch64)");

describe.skipIf(!built)("the executable", () => {
  const program = [file("x64")] as const;

  test("needs no Node, and nothing beside it", async () => {
    const env = { PATH: "/nonexistent" };
    expect(await bin(["--version"], { program, env })).toMatchObject({
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: "",
    });
    expect(await bin(["--help"], { program, env })).toMatchObject({
      code: 0,
      stderr: "",
      stdout: (await bin(["--help"])).stdout,
    });
  });

  test("takes Node's own flags for its own: it is no Node", async () => {
    const result = await bin(["--eval", "console.log(1)"], { program });
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain("unknown option '--eval'");
  });

  test("prints for an entry what the program prints, for the first run as for the next", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-1", "a", Buffer.from([0xff, 0x00]), "10", "x", "2", "y");
    const expected = await bin(["consume", key, "-q"]);
    expect(expected).toMatchObject({ code: 0, stderr: "" });
    for (let round = 0; round < 2; round++)
      expect(await bin(["consume", key, "-q"], { program })).toMatchObject({
        code: 0,
        stdout: expected.stdout,
        stderr: "",
      });
  });

  test("is there for both architectures, with the same program in it", async () => {
    const MACHINES = { x64: 0x3e, arm64: 0xb7 };
    const main = await readFile(join(BIN, "..", "..", "dist", "main.cjs"));
    for (const [arch, machine] of Object.entries(MACHINES)) {
      const bytes = await readFile(file(arch));
      expect(bytes.readUInt16LE(18), arch).toBe(machine);
      // What Node looks at to know that there is a program in it.
      expect(bytes.includes("NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2:1"), arch).toBe(true);
      expect(bytes.includes(main), arch).toBe(true);
      const handle = await open(file(arch));
      expect((await handle.stat()).mode & 0o777).toBe(0o755);
      await handle.close();
    }
  });

  test.skipIf(emulator === undefined)("for arm64 runs on an emulated machine", async () => {
    const env = { QEMU_LD_PREFIX: process.env["QEMU_LD_PREFIX"] ?? "/usr/aarch64-linux-gnu" };
    const emulated = [emulator ?? "", file("arm64")] as const;
    const key = uniqueKey();
    expect(await bin(["produce", key, "--id", "1-1", "a=1"], { program: emulated, env })).toMatchObject({
      code: 0,
      stdout: "1-1\n",
    });
    const handled = await bin(
      ["consume", key, "-g", "g", "--create-group", "--until-empty", "--exec", "echo $STREAMCTL_ID"],
      { program: emulated, env },
    );
    expect(handled).toMatchObject({ code: 0, stdout: "1-1\n" });
  });

  test("comes with the licences of Node and of all packages", async () => {
    const licenses = await readFile(join(out, "LICENSES-executables"), "utf8");
    for (const title of ["MIT License", "## ioredis ", "## Node.js 26", "- V8, located at deps/v8"])
      expect(licenses).toContain(title);
  });
});
