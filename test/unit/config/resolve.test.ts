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

describe("--nat-map", () => {
  test("maps addresses as servers tell them, IPv6 and names included", async () => {
    const natMap = "10.0.0.1:6379=127.0.0.1:7000, [fd00::1]:6379=[::1]:7001,node-a.internal:1=b:2";
    const env = { STREAMCTL_CLUSTER: "true", STREAMCTL_NAT_MAP: natMap };
    expect((await resolved({}, env)).connection.natMap).toEqual([
      { from: "10.0.0.1:6379", host: "127.0.0.1", port: 7000 },
      { from: "fd00::1:6379", host: "::1", port: 7001 },
      { from: "node-a.internal:1", host: "b", port: 2 },
    ]);
  });

  test.each(["a:1", "a=b", "a:1=b", "a:1=b:2=c:3", "a:1=b:0", ""])("%j is none", async (natMap) => {
    const env = { STREAMCTL_CLUSTER: "true", STREAMCTL_NAT_MAP: natMap };
    if (natMap === "") expect((await resolved({}, env)).connection.natMap).toBeUndefined();
    else await expect(resolved({}, env)).rejects.toThrow(/STREAMCTL_NAT_MAP: give host:port=host:port/);
  });

  test("a URL in a stronger place makes that of another server void", async () => {
    const user = "url: redis://prod\ncluster: true\nnatMap: ['a:1=b:2']\n";
    expect((await resolved({}, {}, { user })).connection.natMap).toHaveLength(1);
    expect((await resolved({ url: "redis://other" }, {}, { user })).connection.natMap).toBeUndefined();
  });
});

describe("what makes no sense is refused", () => {
  test.each([
    [{ cluster: true, sentinel: [{ host: "s", port: 1 }], master: "m" }, {}, /exclude each other/],
    [{ cluster: true, db: 2 }, {}, /database 0 only/],
    [{ cluster: true, url: "unix:///s" }, {}, /unix socket/],
    [{ sentinel: [{ host: "s", port: 1 }] }, {}, /name of a master/],
    [{ master: "m" }, {}, /master \(flag --master\) needs the Sentinels/],
    [{}, { STREAMCTL_MASTER: "m", REDIS_URL: "redis://h" }, /needs the Sentinels/],
    [{ cert: "c", tls: true }, {}, /--cert and --key/],
    [{ cacert: "c" }, {}, /without TLS/],
    [{}, { REDIS_PORT: "0" }, /REDIS_PORT: give a port/],
    [{}, { REDIS_URL: "https://x" }, /env REDIS_URL: not a Redis URL/],
    [{ port: 1 }, { REDIS_URL: "https://x" }, /env REDIS_URL: not a Redis URL/],
    [{}, { STREAMCTL_CONNECT_TIMEOUT: "fast" }, /STREAMCTL_CONNECT_TIMEOUT: give a duration/],
    [{}, { STREAMCTL_CLUSTER: "maybe" }, /true or false/],
    [{ profile: "prot" }, {}, /no profile "prot" \(flag --profile\): did you mean "prod"/],
    [{ config: "missing.yaml" }, {}, /no such configuration file/],
  ])("%o %o", async (flags, env, message) => {
    await expect(resolved(flags, env, { user: "profiles: {prod: {}}" })).rejects.toThrow(message);
  });
});

describe("only what wins is judged", () => {
  const nonsense = { REDIS_PORT: "x", REDIS_URL: "https://x", STREAMCTL_DB: "none" };

  test("a URL that is typed makes void what the environment says about a server", async () => {
    const { connection } = await resolved({ url: "redis://h:7000/1" }, nonsense);
    expect(connection).toMatchObject({ host: "h", port: 7000, db: 1 });
  });

  test.each([
    [{ port: 1 }, { REDIS_PORT: "x" }],
    [{ host: "h" }, { REDIS_URL: "https://x" }],
    [{}, { REDIS_PORT: "x", REDIS_URL: "redis://h:1" }],
    [{ connectTimeout: 5 }, { STREAMCTL_CONNECT_TIMEOUT: "fast" }],
    [{ profile: "prod" }, nonsense],
  ])("%o over %o", async (flags, env) => {
    await expect(resolved(flags, env, { user: "profiles: {prod: {host: prod}}" })).resolves.toBeDefined();
  });
});

describe("REDIS_PORT as Kubernetes sets it for a service named redis", () => {
  const link = { REDIS_PORT: "tcp://10.0.0.1:6380" };

  test.each([
    ["alone names the server", {}, link, "", { host: "10.0.0.1", port: 6380 }],
    ["in IPv6", {}, { REDIS_PORT: "tcp://[fd00::1]:6380" }, "", { host: "fd00::1", port: 6380 }],
    ["yields to -u", { url: "redis://h" }, link, "", { host: "h", port: 6379 }],
    ["gives REDIS_HOST its port", {}, { ...link, REDIS_HOST: "h" }, "", { host: "h", port: 6380 }],
    ["yields to a file", {}, link, "url: redis://h:7000", { host: "h", port: 7000 }],
    ["yields to REDIS_URL", {}, { ...link, REDIS_URL: "redis://h" }, "", { host: "h", port: 6379 }],
    [
      "for a service named streamctl is none of Redis",
      {},
      { STREAMCTL_PORT: "tcp://10.0.0.2:9464" },
      "",
      { host: "127.0.0.1", port: 6379 },
    ],
  ])("%s", async (_, flags, env, user, address) => {
    expect((await resolved(flags, env, { user })).connection).toMatchObject(address);
  });
});

test("-u with a password warns that ps shows it", async () => {
  const { warnings } = await resolved({ url: "redis://me:s3cret@h" });
  expect(warnings.join()).toMatch(/-u holds a password, which ps/);
  expect(warnings.join()).not.toContain("s3cret");
  expect((await resolved({ url: "redis://me@h" })).warnings).toEqual([]);
  expect((await resolved({}, { REDIS_URL: "redis://:pw@h" })).warnings).toEqual([]);
});

test("a -H that is a URL is refused", async () => {
  await expect(resolved({}, { REDIS_HOST: "redis://:s3cret@h" })).rejects.toThrow(
    "REDIS_HOST: give a host name or an address; a URL goes to -u/--url",
  );
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

  test("a variable that beats the profile that another variable chose is pointed out", async () => {
    const env = { STREAMCTL_PROFILE: "prod", REDIS_URL: "redis://x" };
    const { warnings, connection } = await resolved({}, env, { user });
    expect(connection.host).toBe("x");
    expect(warnings.join()).toContain("env REDIS_URL is stronger than profile prod: using redis://x:6379");
  });

  test("a project's URL is not ignored because the user's own file chooses a profile", async () => {
    const files = { user: `${user}profile: prod\n`, project: "url: redis://localhost:7777/2" };
    const { connection, readOnlyBy } = await resolved({}, {}, files);
    expect(connection).toMatchObject({ host: "localhost", port: 7777, db: 2 });
    expect(readOnlyBy, "the mark of the chosen profile stays").toBe("prod");
    expect((await resolved({ profile: "prod" }, {}, files)).connection.host, "typed").toBe("prod");
    const inEnvironment = await resolved({}, { STREAMCTL_PROFILE: "prod" }, files);
    expect(inEnvironment.connection.host, "chosen by the environment").toBe("prod");
  });
});

describe("a typed --profile", () => {
  const user = `
profiles:
  prod: {host: prod, user: op, password: pp, protected: true, dlqTemplate: "dead:{stream}"}
  marks: {readOnly: true}
`;

  test.each([
    ["REDIS_URL", { REDIS_URL: "rediss://me:pw@dev:7000/3" }],
    ["STREAMCTL_URL", { STREAMCTL_URL: "rediss://me:pw@dev:7000/3" }],
    ["STREAMCTL_HOST and others", { STREAMCTL_HOST: "dev", STREAMCTL_PORT: "7000", STREAMCTL_DB: "3" }],
    ["REDIS_HOST and REDIS_PORT", { REDIS_HOST: "dev", REDIS_PORT: "7000" }],
    ["STREAMCTL_SENTINEL", { STREAMCTL_SENTINEL: "s1", STREAMCTL_MASTER: "m" }],
    ["REDISCLI_AUTH", { REDISCLI_AUTH: "other" }],
    ["STREAMCTL_DLQ_TEMPLATE", { STREAMCTL_DLQ_TEMPLATE: "{stream}.dead" }],
  ])("is not overruled by %s, and mixes nothing of it in", async (_, env) => {
    const { connection, secrets, dlqTemplate, warnings } = await resolved({ profile: "prod" }, env, { user });
    expect(connection).toMatchObject({ mode: "standalone", host: "prod", port: 6379, db: 0, username: "op" });
    expect(connection.tls).toBeUndefined();
    expect(secrets.password).toBe("pp");
    expect(dlqTemplate).toBe("dead:{stream}");
    expect(warnings).toEqual([]);
  });

  test("that names no server leaves that to the environment", async () => {
    const config = await resolved({ profile: "marks" }, { REDIS_URL: "redis://dev:7000" }, { user });
    expect(config.connection).toMatchObject({ host: "dev", port: 7000 });
    expect(config.readOnlyBy).toBe("marks");
  });

  test("yields to what else is typed", async () => {
    const { connection, protectedBy } = await resolved({ profile: "prod", url: "redis://dev" }, {}, { user });
    expect(connection).toMatchObject({ host: "dev", username: undefined });
    expect(protectedBy).toBe("prod");
  });
});

describe("the marks of a profile hold for the server that it names, however it is reached", () => {
  const user = `
profiles:
  prod: {url: "redis://Prod:7000/1", protected: true}
  reporting: {host: replica, readOnly: true}
  admin: {host: replica}
  ha: {sentinel: [s1, s2], master: orders, readOnly: true}
  sock: {url: "unix:///run/redis.sock", readOnly: true}
  local: {port: 7001, host: localhost, protected: true}
  marks: {readOnly: true}
`;
  const at = (flags: Record<string, unknown>, env: Io["env"] = {}): ReturnType<typeof resolved> =>
    resolved(flags, env, { user });

  test.each([
    ["-u", { url: "redis://prod:7000" }, {}, "prod"],
    ["-H and -p", { host: "prod", port: 7000 }, {}, "prod"],
    ["REDIS_URL", {}, { REDIS_URL: "redis://u:p@prod:7000/5" }, "prod"],
    ["another profile's -u", { profile: "admin", url: "redis://prod:7000" }, {}, "prod"],
    ["another name of this machine", { url: "redis://127.0.0.1:7001" }, {}, "local"],
    ["another port", { url: "redis://prod:7001" }, {}, undefined],
  ])("protected, by %s", async (_, flags, env, by) => {
    expect((await at(flags, env)).protectedBy).toBe(by);
  });

  test.each([
    ["a host", { host: "replica" }, {}, "reporting"],
    ["a profile of its own for that server", { profile: "admin" }, {}, undefined],
    ["a Sentinel", {}, { STREAMCTL_SENTINEL: "s9,s2", STREAMCTL_MASTER: "orders" }, "ha"],
    ["a Sentinel's other master", {}, { STREAMCTL_SENTINEL: "s2", STREAMCTL_MASTER: "else" }, undefined],
    ["a socket", { url: "unix:///run/redis.sock" }, {}, "sock"],
    ["no server at all", {}, {}, undefined],
  ])("read-only, by %s", async (_, flags, env, by) => {
    expect((await at(flags, env)).readOnlyBy).toBe(by);
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

  const host = "host: evil\n";
  test.each([
    ["a password file that is typed", host, { passwordFile: "f" }, {}, ""],
    ["a password that is typed at the prompt", host, { askpass: true }, {}, ""],
    ["a password file of the environment", host, {}, { STREAMCTL_PASSWORD_FILE: "f" }, ""],
    ["the prompt of the environment", host, {}, { STREAMCTL_ASKPASS: "true" }, ""],
    ["a variable that the user's file names", host, {}, { PW: "x" }, "passwordEnv: PW\n"],
    [
      "the password of a typed URL, by a CA of its own",
      "cacert: evil.pem",
      { url: "rediss://:pw@prod" },
      {},
      "",
    ],
    ["a typed client certificate", `${host}tls: true`, { cert: "c", key: "k" }, {}, ""],
    ["a client certificate of the user's", `${host}tls: true`, {}, {}, "cert: c\nkey: k\n"],
    [
      "a client certificate of the environment",
      `${host}tls: true`,
      {},
      { STREAMCTL_CERT: "c", STREAMCTL_KEY: "k" },
      "",
    ],
    ["the Sentinels' password", "sentinel: evil\nmaster: m", { sentinelPasswordFile: "f" }, {}, ""],
    ["a password that is typed", "natMap: ['prod:1=evil:1']", { cluster: true, askpass: true }, {}, ""],
    ["a password, by the port of a server that is typed", "port: 1", { host: "prod", askpass: true }, {}, ""],
  ])("does not get %s", async (_, project, flags, env, user) => {
    await expect(resolved(flags, env, { project, user })).rejects.toThrow(
      /^the (password|client certificate|Sentinels' password) from .* is not sent where .*\.streamctl\.yaml/,
    );
  });

  test("may not lead a profile of the user's own file elsewhere", async () => {
    const user = "profile: p\nprofiles: {p: {url: 'redis://:pw@prod', defaults: {lag: {max-lag: 1}}}}\n";
    const project = "profiles: {p: {url: 'redis://evil', port: 1}, q: {host: theirs}}";
    for (const flags of [{}, { profile: "p" }]) {
      const { connection, secrets } = await resolved(flags, {}, { project, user });
      expect(connection).toMatchObject({ host: "prod", port: 6379 });
      expect(secrets.password).toBe("pw");
    }
    expect((await resolved({ profile: "q" }, {}, { project })).connection.host).toBe("theirs");
  });

  test("may name a server for which there are no secrets", async () => {
    const { connection } = await resolved({}, {}, { project: "url: redis://me@localhost:7777" });
    expect(connection).toMatchObject({ host: "localhost", port: 7777, username: "me" });
  });

  test.each([
    "url: redis://:dev@localhost:7777",
    "url: 'redis://me:p/w@localhost'",
    "profiles:\n  p: {url: 'rediss://me:pw@h'}",
  ])("may hold no password in a URL: %j", async (project) => {
    const refused = resolved({}, {}, { project });
    await expect(refused).rejects.toThrow(
      /\.streamctl\.yaml:\d: a password may not stand in a project's file/,
    );
  });

  test("may not read files or variables as passwords", async () => {
    for (const project of ["passwordFile: /etc/shadow", "passwordEnv: AWS_SECRET"])
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
