import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { arch, homedir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { errorText } from "../errors.ts";
import type { Io } from "../io.ts";
import { findOnPath, type FindOptions } from "./find-server.ts";

const run = promisify(execFile);

const SERVERS = [
  {
    packages: ["redis-server", "redis-tools"],
    program: "redis-server",
    tools: ["redis-cli", "redis-benchmark"],
  },
  {
    packages: ["valkey-server", "valkey-tools"],
    program: "valkey-server",
    tools: ["valkey-cli", "valkey-benchmark"],
  },
] as const;

const APT_TIMEOUT_MS = 5 * 60_000;

/**
 * The server of the machine's own distribution, without installing it and without root: apt-get (with
 * lists and caches of its own) downloads the server, its tools and the libraries that are missing here, and they
 * are unpacked into `$XDG_CACHE_HOME/streamctl`, where later calls find them. Several callers at once are safe: each unpacks
 * for itself, and the first to rename its folder into place wins.
 */
export async function unpackDistributionServer(
  env: Io["env"],
  options: FindOptions,
): Promise<{ path: string } | { failure: string }> {
  for (const program of ["apt-get", "dpkg-deb"]) {
    if ((await findOnPath(program, env)) === undefined) return { failure: `no ${program}` };
  }
  const cache = join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "streamctl");
  const home = join(cache, `server-${await distribution()}`);
  const ready = await workingServer(home);
  if (ready !== undefined) return { path: ready };

  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, "unpacking-"));
  try {
    options.announce?.(`no Redis server here: getting the distribution's package into ${home}`);
    await download(work, env, options);
    await rm(join(work, "apt"), { recursive: true, force: true });
    if ((await workingServer(work)) === undefined) return { failure: "the unpacked server does not run" };
    await putInPlace(work, home);
  } catch (error) {
    options.signal?.throwIfAborted();
    return { failure: lastLines(error) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const path = await workingServer(home);
  return path === undefined ? { failure: `the server in ${home} does not run` } : { path };
}

/** A cache may be shared by machines: each distribution and architecture has its own folder. */
async function distribution(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const value = (name: string): string =>
    new RegExp(`^${name}="?([\\w.-]+)"?$`, "m").exec(release)?.[1] ?? "unknown";
  return `${value("ID")}-${value("VERSION_ID")}-${arch()}`;
}

async function workingServer(home: string): Promise<string | undefined> {
  for (const { program } of SERVERS) {
    const path = join(home, program);
    try {
      await run(path, ["--version"], { timeout: 10_000 });
      return path;
    } catch {
      // Not there, or its libraries have gone with an upgrade of the system: it is unpacked anew.
    }
  }
  return undefined;
}

async function download(work: string, env: Io["env"], options: FindOptions): Promise<void> {
  const apt = join(work, "apt");
  await mkdir(join(apt, "lists", "partial"), { recursive: true });
  await mkdir(join(apt, "archives", "partial"), { recursive: true });
  await writeFile(join(apt, "status"), simpleStatus(await dpkgStatus(env)));
  const settings = [
    `Dir::State::lists=${apt}/lists`,
    `Dir::State::status=${apt}/status`,
    `Dir::Cache=${apt}`,
    "Dir::Cache::archives=archives",
    "Debug::NoLocking=1",
    "APT::Sandbox::User=root",
    "APT::Install-Recommends=false",
    "Acquire::Languages=none",
    "Acquire::Retries=2",
    "Acquire::http::Timeout=20",
    "Acquire::https::Timeout=20",
  ].flatMap((setting) => ["-o", setting]);
  const aptGet = (...args: string[]) =>
    run("apt-get", ["-qq", ...settings, ...args], {
      env: { ...env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
      timeout: APT_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
      ...(options.signal && { signal: options.signal }),
    });

  // One unreachable source of many is no reason to give up: whether the package was found decides.
  const update = await aptGet("update").catch((error: unknown) => error);
  const failures: unknown[] = update instanceof Error ? [update] : [];
  for (const server of SERVERS) {
    try {
      await aptGet("-y", "--download-only", "--allow-downgrades", "install", ...server.packages);
      await unpack(work, join(apt, "archives"));
      if (!(await wrap(work, server.program))) throw new Error(`${server.program} is not in the package`);
      for (const tool of server.tools) await wrap(work, tool);
      return;
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(error);
    }
  }
  throw new Error(failures.map(lastLines).join("; "));
}

/** What dpkg knows of this machine's packages; "" when that can't be read. */
async function dpkgStatus(env: Io["env"]): Promise<string> {
  const asked = await run("apt-config", ["shell", "file", "Dir::State::status/f"], { env }).catch(
    () => undefined,
  );
  const file = /^file='(.+)'$/m.exec(asked?.stdout ?? "")?.[1] ?? "/var/lib/dpkg/status";
  return readFile(file, "utf8").catch(() => "");
}

/**
 * Installed packages as apt-get is to see them: those that are wanted here are not among them, since it leaves out what
 * is installed, and nothing is held or wants anything, since it refuses to work on a machine where something is amiss.
 */
function simpleStatus(status: string): string {
  const wanted = new Set<string>(SERVERS.flatMap(({ packages }) => packages));
  const kept: string[] = [];
  for (const stanza of status.split(/\n{2,}/)) {
    const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1];
    const name = field("Package");
    if (name === undefined || wanted.has(name) || !field("Status")?.endsWith(" installed")) continue;
    const fields = ["Architecture", "Multi-Arch", "Version", "Provides"]
      .map((one) => [one, field(one)])
      .filter(([, value]) => value !== undefined)
      .map(([one, value]) => `${one}: ${value}\n`);
    kept.push(`Package: ${name}\nStatus: install ok installed\n${fields.join("")}\n`);
  }
  return kept.join("");
}

async function unpack(work: string, archives: string): Promise<void> {
  const root = join(work, "root");
  await mkdir(root, { recursive: true });
  for (const name of await readdir(archives)) {
    if (name.endsWith(".deb")) await run("dpkg-deb", ["--extract", join(archives, name), root]);
  }
}

/** Makes a shell script that starts an unpacked program with the libraries that came along; false: it is not there. */
async function wrap(work: string, program: string): Promise<boolean> {
  const root = join(work, "root");
  const folders = new Set<string>();
  let binary: string | undefined;
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (/^lib.+\.so(\.|$)/.test(entry.name)) folders.add(relative(work, entry.parentPath));
    if (entry.name === program && entry.parentPath.endsWith("/bin"))
      binary = relative(work, join(entry.parentPath, entry.name));
  }
  if (binary === undefined) return false;
  const libraries = [...folders].map((folder) => `$here/${folder}`).join(":");
  const script = join(work, program);
  await writeFile(
    script,
    `#!/bin/sh\nhere=\${0%/*}\nLD_LIBRARY_PATH="${libraries}" exec "$here/${binary}" "$@"\n`,
  );
  await chmod(script, 0o755);
  return true;
}

async function putInPlace(work: string, home: string): Promise<void> {
  try {
    await rename(work, home);
  } catch {
    // Somebody else was faster, or what stands there does not run any more.
    if ((await workingServer(home)) !== undefined) return;
    await rename(home, `${work}-old`);
    await rename(work, home);
    await rm(`${work}-old`, { recursive: true, force: true });
  }
}

function lastLines(error: unknown): string {
  const stderr = (error as { stderr?: unknown }).stderr;
  const text = typeof stderr === "string" && stderr.trim() !== "" ? stderr : errorText(error);
  return text.trim().split("\n").slice(-2).join(" / ");
}
