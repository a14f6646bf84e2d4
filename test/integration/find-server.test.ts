import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { dockerAnswers, findOnPath, findServer } from "../../src/sandbox/find-server.ts";

const run = promisify(execFile);
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "find-server-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

async function script(path: string, body: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

/** No Docker engine is where this says. */
const noDocker = { DOCKER_HOST: "unix:///nonexistent/docker.sock" };

describe("finding a server", () => {
  test("STREAMCTL_REDIS_SERVER wins over PATH", async () => {
    await script(join(folder, "redis-server"), "exit 0");
    const mine = await script(join(folder, "my-redis"), "exit 0");
    expect(await findServer({ PATH: folder, STREAMCTL_REDIS_SERVER: mine })).toBe(mine);
  });

  test("a STREAMCTL_REDIS_SERVER that does not exist is an error, not a reason to look further", async () => {
    await script(join(folder, "redis-server"), "exit 0");
    const env = { PATH: folder, STREAMCTL_REDIS_SERVER: join(folder, "gone") };
    await expect(findServer(env)).rejects.toThrow(/STREAMCTL_REDIS_SERVER names no executable file: .*gone/);
  });

  test("redis-server on PATH wins over valkey-server, folders and plain files do not count", async () => {
    const first = join(folder, "first");
    await mkdir(join(first, "redis-server"), { recursive: true });
    await writeFile(join(first, "valkey-server"), "not executable");
    const valkey = await script(join(folder, "valkey-server"), "exit 0");
    const env = { PATH: `${first}:${folder}`, ...noDocker };
    expect(await findServer(env)).toBe(valkey);
    const redis = await script(join(folder, "redis-server"), "exit 0");
    expect(await findServer(env)).toBe(redis);
  });

  test("where there is no way, the error names every way", async () => {
    const failure = await findServer({ PATH: folder, HOME: folder, ...noDocker }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ kind: "failed", message: "found no Redis server to run" });
    const { hint } = failure as { hint: string };
    for (const way of ["STREAMCTL_REDIS_SERVER", "PATH", "Docker", "Podman", "apt-get"])
      expect(hint).toContain(way);
  });

  test.each(["docker", "podman"])("a %s on PATH counts only when it has an engine", async (program) => {
    const env = { PATH: folder, HOME: folder, ...noDocker };
    await script(join(folder, program), '[ "$1" = ps ]');
    expect(await findServer(env)).toBe(`run:${join(folder, program)}:redis:7.4`);
    await script(join(folder, program), "exit 1");
    await expect(findServer(env)).rejects.toThrow("found no Redis server to run");
  });

  test("a Docker engine counts only when it answers", async () => {
    const socket = join(folder, "docker.sock");
    const engine = createServer((request, response) => response.end(request.url === "/_ping" ? "OK" : ""));
    await new Promise<void>((resolve) => engine.listen(socket, resolve));
    expect(await dockerAnswers({ DOCKER_HOST: `unix://${socket}` })).toBe(true);
    engine.closeAllConnections();
    await new Promise((resolve) => engine.close(resolve));
    expect(await dockerAnswers({ DOCKER_HOST: `unix://${socket}` })).toBe(false);
    expect(await dockerAnswers({ DOCKER_HOST: "ssh://somewhere" })).toBe(false);
  });
});

const dpkg = await findOnPath("dpkg-deb", process.env);
if (dpkg === undefined) console.log("skipped: unpacking a package needs dpkg-deb, which is not on PATH");

describe.skipIf(dpkg === undefined)("the distribution's package", () => {
  /**
   * An apt-get that "downloads" a package whose server is a script that says where its libraries are, and, like the real
   * one, the package of the tools only when it is not installed, and nothing while anything is amiss.
   */
  async function aptGet(version: string, status = ""): Promise<NodeJS.ProcessEnv> {
    const tree = join(folder, "tree");
    const programs = join(tree, "usr", "bin");
    const libraries = join(tree, "usr", "lib", "any-linux");
    for (const path of [programs, libraries, join(tree, "DEBIAN")]) await mkdir(path, { recursive: true });
    await writeFile(join(libraries, "libexample.so.1"), "");
    await writeFile(
      join(tree, "DEBIAN", "control"),
      "Package: redis-server\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: example\n",
    );
    await script(join(programs, "redis-server"), `echo "${version} $LD_LIBRARY_PATH"`);
    await run("dpkg-deb", ["--build", tree, join(folder, "server.deb")]);
    await rm(join(programs, "redis-server"));
    for (const tool of ["redis-cli", "redis-benchmark"]) await script(join(programs, tool), "exit 0");
    await run("dpkg-deb", ["--build", tree, join(folder, "tools.deb")]);
    const path = join(folder, "path");
    await mkdir(path, { recursive: true });
    await script(
      join(path, "apt-get"),
      `for word in "$@"; do
        case $word in
          Dir::Cache=*) cache=\${word#*=} ;;
          update) echo "one source is down" >&2; exit 100 ;;
          Dir::State::status=*) status=\${word#*=} ;;
        esac
      done
      text=$(cat "$status")
      case $text in *"Depends: no-such-package"*) echo "E: Unmet dependencies." >&2; exit 100 ;; esac
      cp ${folder}/server.deb "$cache/archives/"
      case $text in *"Package: redis-tools"*) ;; *) cp ${folder}/tools.deb "$cache/archives/" ;; esac`,
    );
    await writeFile(join(folder, "status"), status);
    await script(join(path, "apt-config"), `echo "file='${join(folder, "status")}'"`);
    for (const program of ["sh", "cat", "cp", "dirname", "tar"]) {
      const real = await findOnPath(program, process.env);
      if (real !== undefined) await symlink(real, join(path, program)).catch(() => {});
    }
    await symlink(dpkg ?? "", join(path, "dpkg-deb")).catch(() => {});
    return { PATH: path, HOME: folder, ...noDocker };
  }

  const cached = async (): Promise<string[]> => readdir(join(folder, ".cache", "streamctl"));

  test("is unpacked into the cache, with its libraries and tools, and found there the next time", async () => {
    const env = await aptGet("v1");
    const announced: string[] = [];
    const announce = (message: string): void => void announced.push(message);
    const path = await findServer(env, { announce });
    const { stdout } = await run(path, ["--version"]);
    expect(stdout).toMatch(/^v1 \S+\/root\/usr\/lib\/any-linux\n$/);
    await run(join(path, "..", "redis-cli"));
    await rm(join(folder, "path", "apt-get"));
    await script(join(folder, "path", "apt-get"), "exit 1");
    expect(await findServer(env, { announce })).toBe(path);
    expect(announced).toHaveLength(1);
    expect(await cached()).toHaveLength(1);
  });

  test.each([
    ["the tools are installed and the server is not", "Package: redis-tools\nStatus: install ok installed\n"],
    ["a package is held", "Package: redis-tools\nStatus: hold ok installed\nVersion: 9\n"],
    ["something is amiss", "Package: a\nStatus: install ok installed\nDepends: no-such-package\n"],
  ])("is unpacked, tools and all, where %s", async (_, status) => {
    const env = await aptGet("v1", status);
    const path = await findServer(env);
    await run(join(path, "..", "redis-cli"));
    expect((await run(path, ["--version"])).stdout).toMatch(/^v1 /);
  });

  test("several callers at once all get a working server, and leave one", async () => {
    const env = await aptGet("v1");
    const paths = await Promise.all([1, 2, 3, 4].map(() => findServer(env)));
    expect(new Set(paths).size).toBe(1);
    await run(paths[0] ?? "");
    expect(await cached()).toHaveLength(1);
  });

  test("is unpacked anew when what is in the cache does not run any more", async () => {
    const env = await aptGet("v1");
    const path = await findServer(env);
    await script(path, "exit 1");
    await aptGet("v2");
    expect(await findServer(env)).toBe(path);
    expect((await run(path)).stdout).toMatch(/^v2 /);
    expect(await cached()).toHaveLength(1);
  });

  test("an apt-get that fails leaves nothing behind, and its words are in the error", async () => {
    const env = await aptGet("v1");
    await script(join(folder, "path", "apt-get"), 'echo "E: no such package" >&2; exit 100');
    await expect(findServer(env)).rejects.toMatchObject({
      hint: expect.stringContaining("E: no such package"),
    });
    expect(await cached()).toEqual([]);
  });
});
