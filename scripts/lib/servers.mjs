// Gets the servers that tests are to run on.
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join, relative } from "node:path";
import { fetchOnce, lastLine, run } from "./cache.mjs";

/** Images of each line that is in use. */
const IMAGES = [
  ...["6.0", "6.2", "7.0", "7.2", "7.4", "8.0", "8.2", "8.4", "8.6"].map((version) => `redis:${version}`),
  ...["7.2", "8.0", "8.1", "9"].map((version) => `valkey/valkey:${version}`),
  "registry.redict.io/redict:7",
];

/** Debian has a version in each release; `beside` has what a release that is not whole needs. */
const PACKAGES = [
  { server: "redis-server", suite: "bullseye" },
  { server: "redis-server", suite: "bookworm" },
  { server: "redis-server", suite: "trixie" },
  { server: "redis-server", suite: "experimental", beside: "sid" },
  { server: "valkey-server", suite: "bookworm-backports", beside: "bookworm" },
  { server: "valkey-server", suite: "trixie" },
  { server: "valkey-server", suite: "sid" },
  { server: "redict-server", suite: "sid" },
];

/**
 * Every server there is a way to: what STREAMCTL_MATRIX names (executables and docker:IMAGE, split at spaces); else
 * images, where Docker or Podman answers; else Debian's packages, where apt has a source of Debian's. What can't
 * be had is told and left out.
 * @returns {{name: string, server: string}[]}
 */
export function findServers() {
  const named = (process.env.STREAMCTL_MATRIX ?? "").split(/\s+/).filter(Boolean);
  if (named.length > 0) return named.map(describe);
  if (hasEngine()) return IMAGES.map((image) => describe(`docker:${image}`));
  const mirrors = debianMirrors();
  if (mirrors.main === undefined) return [];
  return PACKAGES.flatMap((wanted) => {
    try {
      return [describe(unpackServer(wanted, mirrors))];
    } catch (error) {
      console.error(`${wanted.server} of ${wanted.suite} left out: ${lastLine(error)}`);
      return [];
    }
  });
}

/** `Valkey 9.1.2`, as the executable says itself; throws when it can't be run. An image is known by its name. */
export function describe(server) {
  if (server.startsWith("docker:")) return { name: server.slice("docker:".length), server };
  const said = versionOf(server);
  const [, product, version] = /^(\w+) server v=(\S+)/.exec(said) ?? [];
  return { name: version === undefined ? server : `${product} ${version}`, server };
}

function versionOf(server) {
  try {
    return run(server, ["--version"]);
  } catch (error) {
    throw new Error(`${server} is no server that runs here: ${lastLine(error)}`, { cause: error });
  }
}

function hasEngine() {
  return ["docker", "podman"].some((program) => {
    try {
      run(program, ["ps", "--quiet"], { timeout: 10_000 });
      return process.platform === "linux";
    } catch {
      return false;
    }
  });
}

/** Where this machine's apt gets Debian's packages, and its security updates. */
function debianMirrors() {
  try {
    const sites = run("apt-get", ["indextargets", "--format", "$(SITE)"]).split("\n");
    const find = (end) => sites.find((site) => end.test(site));
    return { main: find(/\/debian\/?$/), security: find(/\/debian-security\/?$/) };
  } catch {
    return {};
  }
}

/**
 * An executable of another Debian release: its package and all that this depends on, down to the C library, are
 * unpacked into the cache; nothing is installed, and no root is needed.
 */
function unpackServer({ server, suite, beside }, mirrors) {
  const folder = fetchOnce(`servers/${server}-${suite}-${arch()}`, (work) => {
    console.error(`getting ${server} of Debian ${suite} …`);
    const apt = join(work, "apt");
    for (const path of ["lists/partial", "archives/partial", "parts"])
      mkdirSync(join(apt, path), { recursive: true });
    writeFileSync(join(apt, "status"), "");
    writeFileSync(join(apt, "sources.list"), sources(suite, beside, mirrors).join("\n"));
    const settings = [
      `Dir::State=${apt}`,
      `Dir::State::status=${apt}/status`,
      `Dir::Cache=${apt}`,
      `Dir::Etc::sourcelist=${apt}/sources.list`,
      `Dir::Etc::sourceparts=${apt}/parts`,
      "Dir::Etc::preferences=/dev/null",
      `Dir::Etc::preferencesparts=${apt}/parts`,
      "Debug::NoLocking=1",
      "APT::Sandbox::User=root",
      "APT::Install-Recommends=false",
      "Acquire::Languages=none",
      "Acquire::Retries=2",
    ].flatMap((setting) => ["-o", setting]);
    run("apt-get", ["-qq", ...settings, "update"]);
    const packages = [server, server.replace("-server", "-tools")];
    const wanted = beside === undefined ? packages : packages.map((name) => `${name}/${suite}`);
    run("apt-get", ["-qq", "-y", ...settings, "--download-only", "install", ...wanted]);
    const root = join(work, "root");
    for (const name of readdirSync(join(apt, "archives")))
      if (name.endsWith(".deb")) run("dpkg-deb", ["--extract", join(apt, "archives", name), root]);
    for (const unused of [apt, join(root, "usr/share")]) rmSync(unused, { recursive: true, force: true });
    wrap(work, root, server);
  });
  return join(folder, server);
}

function sources(suite, beside, { main, security }) {
  const lines = [suite, ...(beside === undefined ? [] : [beside])].map((one) => `deb ${main} ${one} main`);
  const isRelease = !/^(sid|experimental)$|-/.test(suite);
  if (isRelease && security !== undefined) lines.push(`deb ${security} ${suite}-security main`);
  return [...lines, ""];
}

/** A script that starts the server by the loader and with the libraries that came along. */
function wrap(folder, root, server) {
  const files = readdirSync(root, { recursive: true, withFileTypes: true });
  const path = ({ parentPath, name }) => `$here/${relative(folder, join(parentPath, name))}`;
  const libraries = files.filter(({ name }) => /^lib.+\.so(\.|$)/.test(name));
  const folders = new Set(libraries.map(({ parentPath }) => `$here/${relative(folder, parentPath)}`));
  const loader = files.find((file) => file.isFile() && /^ld-(linux.*\.so\.\d|\d.*\.so)/.test(file.name));
  const program = files.find(({ parentPath, name }) => name === server && parentPath.endsWith("/bin"));
  if (loader === undefined || program === undefined) throw new Error(`${server} is not in the package`);
  const start = `exec "${path(loader)}" --library-path "${[...folders].join(":")}" "${path(program)}" "$@"`;
  writeFileSync(join(folder, server), `#!/bin/sh\nhere=\${0%/*}\n${start}\n`);
  chmodSync(join(folder, server), 0o755);
}
