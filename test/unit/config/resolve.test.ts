import { chmodSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../../src/config/resolve.ts";
import { loadSecrets } from "../../../src/config/secrets.ts";
import type { Io } from "../../../src/io.ts";
import { configIo } from "./support.ts";

type Files = { user?: string; project?: string };

async function resolved(flags: Record<string, unknown>, env: Io["env"] = {}, files: Files = {}) {
  const config = await resolveConfig(flags, configIo(files, env));
  const from = (name: Parameters<typeof config.settings.get>[0]): string | undefined =>
    config.settings.get(name)?.source.text.replace(/ in .*| ?\/.*/, "");
  return { ...config, from };
}

describe("precedence of a single setting", () => {
  const user = "port: 1\nprofiles: {p: {port: 2}}\nprofile: p\n";

  test.each([
    ["built-in", {}, {}, {}, 6379, "built-in"],
    ["file", {}, {}, { user: "port: 1" }, 1, ""],
    ["project's file over the user's", {}, {}, { user: "port: 1", project: "port: 9" }, 9, ""],
    ["profile over file", {}, {}, { user }, 2, "profile p"],
    ["user's profile over project's file", {}, {}, { user, project: "port: 9" }, 2, "profile p"],
    ["REDIS_PORT over profile", {}, { REDIS_PORT: "3" }, { user }, 3, "env REDIS_PORT"],
    [
      "REDIS_URL over REDIS_PORT",
      {},
      { REDIS_PORT: "3", REDIS_URL: "redis://h:4" },
      { user },
      4,
      "env REDIS_URL",
    ],
    [
      "STREAMCTL_URL over REDIS_URL",
      {},
      { STREAMCTL_URL: "redis://h:5", REDIS_URL: "redis://h:4" },
      { user },
      5,
      "env STREAMCTL_URL",
    ],
    [
      "STREAMCTL_PORT over STREAMCTL_URL",
      {},
      { STREAMCTL_PORT: "6", STREAMCTL_URL: "redis://h:5" },
      { user },
      6,
      "env STREAMCTL_PORT",
    ],
    ["flag over all", { port: 7 }, { STREAMCTL_PORT: "6" }, { user }, 7, "flag --port"],
    ["flag over its own URL", { port: 7, url: "redis://h:8" }, {}, {}, 7, "flag --port"],
    ["an empty variable is none", {}, { REDIS_PORT: "" }, {}, 6379, "built-in"],
  ])("%s", async (_, flags, env, files, port, source) => {
    const config = await resolved(flags, env, files);
    expect(config.connection.port).toBe(port);
    expect(config.from("port")).toBe(source);
  });
});

describe("addresses of several layers", () => {
  const env = { REDIS_URL: "rediss://me:pw@prod:7000/3" };

  test("a host flag replaces the URL's host and keeps the rest", async () => {
    const { connection, secrets } = await resolved({ host: "other" }, env);
    expect(connection).toMatchObject({
      host: "other",
      port: 7000,
      db: 3,
      username: "me",
      tls: { insecure: false },
    });
    expect(secrets.password).toBe("pw");
  });

  test("a URL takes nothing of a weaker layer's server, its credentials least of all", async () => {
    const user =
      "profile: p\nprofiles: {p: {sentinel: s1, master: m, user: u, password: x, tls: true, db: 5}}";
    const { connection, secrets } = await resolved({ url: "redis://here" }, env, { user });
    expect(connection).toMatchObject({ mode: "standalone", host: "here", port: 6379, db: 0, tls: undefined });
    expect(connection.username).toBeUndefined();
    expect(secrets.password).toBeUndefined();
  });

  test("a host flag replaces a socket and a Sentinel", async () => {
    expect((await resolved({ host: "h" }, { REDIS_URL: "unix:///s.sock" })).connection.path).toBeUndefined();
    const user = "sentinel: s1\nmaster: m";
    expect((await resolved({ host: "h" }, {}, { user })).connection.mode).toBe("standalone");
  });

  test("a URL without a password is not given one of another URL", async () => {
    const { secrets } = await resolved({}, { STREAMCTL_URL: "redis://a", REDIS_URL: "redis://:pw@b" });
    expect(secrets.password).toBeUndefined();
  });

  test("REDISCLI_AUTH goes with a URL that has no password, as with redis-cli", async () => {
    const auth = { REDISCLI_AUTH: "cli" };
    expect((await resolved({ url: "redis://a" }, auth)).secrets.password).toBe("cli");
    expect((await resolved({ url: "redis://:own@a" }, auth)).secrets.password).toBe("own");
    expect((await resolved({ passwordFile: "f" }, auth)).secrets.password).toBeUndefined();
    expect((await resolved({}, auth, { user: "password: file" })).secrets.password).toBe("cli");
  });

  test("STREAMCTL_TLS=false takes back a profile's TLS", async () => {
    const user = "tls: true";
    expect((await resolved({}, { STREAMCTL_TLS: "false" }, { user })).connection.tls).toBeUndefined();
  });

  test("Sentinel and its default port", async () => {
    const { connection } = await resolved(
      {},
      { STREAMCTL_SENTINEL: "s1, s2:5,[::1]:6", STREAMCTL_MASTER: "m" },
    );
    expect(connection).toMatchObject({
      mode: "sentinel",
      master: "m",
      sentinels: [
        { host: "s1", port: 26_379 },
        { host: "s2", port: 5 },
        { host: "::1", port: 6 },
      ],
    });
  });
});

describe("what makes no sense is refused", () => {
  test.each([
    [{ cluster: true, sentinel: [{ host: "s", port: 1 }], master: "m" }, {}, /exclude each other/],
    [{ cluster: true, db: 2 }, {}, /database 0 only/],
    [{ cluster: true, url: "unix:///s" }, {}, /unix socket/],
    [{ sentinel: [{ host: "s", port: 1 }] }, {}, /name of a master/],
    [{ cert: "c", tls: true }, {}, /--cert and --key/],
    [{ cacert: "c" }, {}, /without TLS/],
    [{}, { REDIS_PORT: "0" }, /REDIS_PORT: give a port/],
    [{}, { STREAMCTL_CONNECT_TIMEOUT: "fast" }, /STREAMCTL_CONNECT_TIMEOUT: give a duration/],
    [{}, { STREAMCTL_CLUSTER: "maybe" }, /true or false/],
    [{ profile: "prot" }, {}, /no profile "prot" \(flag --profile\): did you mean "prod"/],
    [{ config: "missing.yaml" }, {}, /no such configuration file/],
  ])("%o %o", async (flags, env, message) => {
    await expect(resolved(flags, env, { user: "profiles: {prod: {}}" })).rejects.toThrow(message);
  });
});

describe("profiles", () => {
  const user = "profiles:\n  prod: {url: 'redis://prod', readOnly: true}\n  dev: {protected: true}\n";

  test("are named by flag, then environment, then the project's file, then the user's", async () => {
    const files = { user: `${user}profile: prod\n`, project: "profile: dev\n" };
    expect((await resolved({}, {}, { user: files.user })).profile?.name).toBe("prod");
    expect((await resolved({}, {}, files)).profile?.name).toBe("dev");
    expect((await resolved({}, { STREAMCTL_PROFILE: "prod" }, files)).profile?.name).toBe("prod");
    expect((await resolved({ profile: "dev" }, { STREAMCTL_PROFILE: "prod" }, files)).profile?.name).toBe(
      "dev",
    );
  });

  test("a project's file can tighten a profile and never loosen it", async () => {
    const loose = { user, project: "profiles: {prod: {readOnly: false}, dev: {readOnly: true}}" };
    expect((await resolved({ profile: "prod" }, {}, loose)).profile?.readOnly).toBe(true);
    expect((await resolved({ profile: "dev" }, {}, loose)).profile).toMatchObject({
      readOnly: true,
      protected: true,
    });
  });

  test("a variable that beats the profile asked for is pointed out", async () => {
    const { warnings, connection } = await resolved(
      { profile: "prod" },
      { REDIS_URL: "redis://x" },
      { user },
    );
    expect(connection.host).toBe("x");
    expect(warnings.join()).toContain("env REDIS_URL is stronger than profile prod: using redis://x:6379");
  });
});

describe("a project's file from a folder that anyone may have written", () => {
  test.each([
    ["REDISCLI_AUTH", "host: evil", { REDISCLI_AUTH: "pw" }, ""],
    ["a password of the user's file", "url: redis://evil", {}, "password: pw\n"],
    ["a password file of the user's", "sentinel: evil\nmaster: m", {}, "passwordFile: f\n"],
    [
      "a profile's password",
      "profiles: {p: {host: evil}}",
      {},
      "profile: p\nprofiles: {p: {password: pw}}\n",
    ],
    ["a password, over a TLS that is not checked", "insecure: true", {}, "tls: true\npassword: pw\n"],
    ["a password, without TLS", "tls: false", {}, "tls: true\npassword: pw\n"],
  ])("does not get %s", async (_, project, env, user) => {
    const outcome = await resolved({}, env, { project, user }).then(
      // A URL replaces all credentials of weaker layers, so that there is nothing left to send.
      ({ secrets }) => secrets.password ?? secrets.passwordFile ?? "no password",
      (error: unknown) => (error as Error).message,
    );
    expect(outcome).toMatch(/is not sent where .*\.streamctl\.yaml|^no password$/);
  });

  test("may hold its own server with its own credentials", async () => {
    const { secrets } = await resolved({}, {}, { project: "url: redis://:dev@localhost:7777" });
    expect(secrets.password).toBe("dev");
  });

  test("may not read files or variables as passwords, nor run programs", async () => {
    for (const project of [
      "passwordFile: /etc/shadow",
      "passwordEnv: AWS_SECRET",
      "defaults: {consume: {exec: rm}}",
    ])
      await expect(resolved({}, {}, { project })).rejects.toThrow(/\.streamctl\.yaml:1: .*may not stand/);
  });

  test("is trusted when it is named", async () => {
    const config = await resolved(
      { config: ".streamctl.yaml" },
      { REDISCLI_AUTH: "pw" },
      { project: "host: own" },
    );
    expect(config.secrets.password).toBe("pw");
  });
});

describe("secrets", () => {
  const connection = {
    mode: "standalone",
    host: "h",
    port: 1,
    db: 0,
    connectTimeoutMs: 1,
    commandTimeoutMs: 1,
  } as const;

  async function load(flags: Record<string, unknown>, env: Io["env"] = {}, files: Files = {}) {
    const io = configIo(files, env);
    const warnings: string[] = [];
    const { secrets } = await resolveConfig(flags, io);
    const settings = await loadSecrets(connection, secrets, io, (message) => warnings.push(message));
    return { password: settings.password, warnings };
  }

  test("a password file's first line; everyone may read it: a warning", async () => {
    const io = configIo({ user: "secret one\nrest" });
    const file = join(io.cwd, "../home/.config/streamctl/config.yaml");
    expect(await load({ passwordFile: file })).toEqual({ password: "secret one", warnings: [] });
    chmodSync(file, 0o644);
    expect((await load({ passwordFile: file })).warnings.join()).toMatch(/everyone may read it/);
  });

  test("passwordEnv names a variable", async () => {
    const user = "passwordEnv: ORDERS_PASSWORD";
    expect((await load({}, { ORDERS_PASSWORD: "pw" }, { user })).password).toBe("pw");
    await expect(load({}, {}, { user })).rejects.toThrow(/ORDERS_PASSWORD/);
  });

  test("a missing password file is named with its flag", async () => {
    await expect(load({ passwordFile: "nowhere" })).rejects.toThrow(
      /--password-file: can't read .*nowhere: ENOENT/,
    );
  });

  test("a configuration file with a password that everyone may read is pointed out", async () => {
    const io = configIo({ user: "url: redis://:pw@h" });
    expect((await resolveConfig({}, io)).warnings).toEqual([]);
    chmodSync(join(io.cwd, "../home/.config/streamctl/config.yaml"), 0o644);
    expect((await resolveConfig({}, io)).warnings.join()).toMatch(/chmod 600/);
  });
});
