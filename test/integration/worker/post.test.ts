import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { cli, CliRun, ndjson, uniqueKey } from "../../support/cli.ts";
import { type Answerer, HttpTarget } from "../../support/http-target.ts";
import { rawRedis, until } from "../../support/redis.ts";
import { makeCertificates } from "../../support/tls.ts";
import { deadLetters, fill, pendingIn } from "../../support/worker.ts";

function post(stream: string, url: string, ...more: string[]): string[] {
  const quick = ["--claim-idle", "5s", "--retry-delay", "10ms", "--retry-max-delay", "20ms"];
  return ["consume", stream, "-g", "g", "--create-group", ...quick, ...more, "--post", url];
}

const ok: Answerer = (_request, response) => void response.end("fine");

/** Answers an entry's first requests with these, and all later ones with 200. */
function first(...answers: Answerer[]): Answerer {
  const seen = new Map<string, number>();
  return (request, response) => {
    const at = seen.get(request.id) ?? 0;
    seen.set(request.id, at + 1);
    (answers[at] ?? ok)(request, response);
  };
}

function status(code: number, headers: Record<string, string> = {}, body = ""): Answerer {
  return (_request, response) => void response.writeHead(code, headers).end(body);
}

async function one(...fields: string[]): Promise<string> {
  const key = uniqueKey();
  await rawRedis().xadd(key, "1-1", ...(fields.length > 0 ? fields : ["n", "1"]));
  return key;
}

describe("--post", () => {
  test("posts each entry as a command would get it, over a kept connection, and acks what is answered with 2xx", async () => {
    const redis = rawRedis();
    const key = uniqueKey("or ders%");
    const ids = await fill(redis, key, 50);
    const target = await HttpTarget.start((request, response) =>
      response.writeHead(request.body.length % 2 === 0 ? 200 : 204).end(),
    );
    const { code, stderr, stdout } = await cli(post(key, `${target.url}/hook?x=1`, "--until-empty"));
    expect(code, stderr).toBe(0);
    expect(stdout).toBe("");
    // What was read ahead and handed back, on a machine that is held up, comes later than others.
    expect(target.ids.toSorted()).toEqual(ids.toSorted());
    expect(target.connections, "connections are kept").toBeLessThan(5);
    expect(await pendingIn(redis, key)).toBe(0);
    const [request] = target.received;
    expect(request).toMatchObject({ method: "POST", url: "/hook?x=1" });
    expect(JSON.parse(String(request?.body))).toMatchObject({ stream: key, id: ids[0], fields: { n: "0" } });
    expect(request?.headers).toMatchObject({
      "content-type": "application/json",
      "streamctl-stream": key.replaceAll("%", "%25"),
      "streamctl-group": "g",
      "streamctl-deliveries": "1",
      "streamctl-id": ids[0],
      "streamctl-timestamp": expect.stringMatching(/^\d{4}-/),
      "user-agent": expect.stringMatching(/^streamctl\//),
    });
  });

  test("headers, credentials, one field's bytes, trace; nothing of an entry in the URL", async () => {
    const bytes = Buffer.from([0xff, 0x00, 0x0a]);
    const key = uniqueKey();
    await rawRedis().xadd(key, "1-1", "blob", bytes, "TraceParent", "00-aa-bb-01", "payload", "../x\r\nA: b");
    const target = await HttpTarget.start(ok);
    const url = target.url.replace("://", "://ann:p%40ss@");
    const headers = ["--header", "X-Key: a, b", "--header", "content-type: image/png"];
    const run = await cli(post(key, `${url}/a`, "--until-empty", "--stdin", "field:blob", "-v", ...headers));
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).not.toContain("p%40ss");
    const [request] = target.received;
    expect(request).toMatchObject({ url: "/a", body: bytes });
    expect(request?.headers).toMatchObject({
      authorization: `Basic ${Buffer.from("ann:p@ss").toString("base64")}`,
      "x-key": "a, b",
      "content-type": "image/png",
      traceparent: "00-aa-bb-01",
    });
  });

  test.each([[500], [502], [503], [408], [425], [429]])("a %i is retried", async (code) => {
    const key = await one();
    const target = await HttpTarget.start(first(status(code), status(code)));
    const { stderr } = await cli(post(key, target.url, "--until-empty"));
    expect(stderr).toContain("1 ok, 0 dead-lettered, 2 retried");
    expect(target.received.map(({ headers }) => headers["streamctl-deliveries"])).toEqual(["1", "2", "3"]);
  });

  test.each([[400], [404], [410], [422]])(
    "a %i is a dead letter, with the start of what was said",
    async (code) => {
      const key = await one();
      const target = await HttpTarget.start(status(code, {}, `bad because of ${"x".repeat(10_000)}`));
      const { stderr } = await cli(post(key, target.url, "--until-empty"));
      expect(stderr).toContain("0 ok, 1 dead-lettered");
      const [letter] = await deadLetters(rawRedis(), `${key}:dlq`);
      expect(letter).toMatchObject({ "dlq.exit": String(code), "dlq.reason": `status ${code}` });
      expect(letter?.["dlq.stderr"]).toBe(`bad because of ${"x".repeat(10_000)}`.slice(0, 4_096));
    },
  );

  test("what fails to the end is a dead letter", async () => {
    const key = await one();
    const target = await HttpTarget.start(status(503));
    await cli(post(key, target.url, "--until-empty", "--max-deliveries", "3"));
    expect(target.received).toHaveLength(3);
    expect(await deadLetters(rawRedis(), `${key}:dlq`)).toMatchObject([{ "dlq.exit": "503" }]);
  });

  test.each([
    ["seconds", { "Retry-After": "3600" }],
    [
      "a date, by the server's own clock",
      {
        Date: "Fri, 31 Dec 1999 22:59:59 GMT",
        "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT",
      },
    ],
  ])("Retry-After is obeyed: %s", async (_form, headers) => {
    const key = await one();
    const target = await HttpTarget.start(status(429, headers));
    const run = new CliRun(post(key, target.url));
    await until("its retry is put off", () => run.stderr.includes("retry in 1h"));
    run.signal("SIGTERM");
    expect((await run.done).code).toBe(0);
    expect(target.received).toHaveLength(1);
  });

  test("a redirect is not followed: nothing is counted, the worker stops and says where it was sent", async () => {
    const key = await one();
    const target = await HttpTarget.start(status(301, { Location: "https://elsewhere.example/" }));
    const { code, stderr } = await cli(post(key, target.url));
    expect(code).toBe(1);
    expect(stderr).toContain("redirects to https://elsewhere.example/");
    const [[, , , deliveries]] = (await rawRedis().xpending(key, "g", "-", "+", 1)) as [
      [string, string, number, number],
    ];
    expect(deliveries).toBe(0);
  });

  test("no answer, a reset, half an answer: retried", async () => {
    const key = await one();
    const target = await HttpTarget.start(
      first(
        (_request, response) => void response.socket?.resetAndDestroy(),
        (_request, response) => {
          response.writeHead(200, { "Content-Length": "100" });
          response.write("half", () => response.socket?.resetAndDestroy());
        },
        (_request, response) => void response.socket?.end("this is no HTTP\r\n\r\n"),
      ),
    );
    const { code, stderr } = await cli(post(key, target.url, "--until-empty"));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("1 ok, 0 dead-lettered, 3 retried");
    expect(stderr).toContain("the answer was cut off");
  });

  test("nobody listens: retried, and in the end a dead letter that says so", async () => {
    const key = await one();
    const gone = createServer();
    await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    await cli(post(key, `http://127.0.0.1:${port}/`, "--until-empty", "--max-deliveries", "2"));
    const [letter] = await deadLetters(rawRedis(), `${key}:dlq`);
    expect(letter?.["dlq.reason"]).toMatch(/ECONNREFUSED/);
  });

  test("a kept connection that the server has closed costs no delivery", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await redis.xadd(key, "1-1", "n", "1");
    // The second request on a connection finds it reset, as if it had crossed the server's end of it.
    const requests = new WeakMap<object, number>();
    const target = await HttpTarget.start((_request, response) => {
      const socket = response.socket as object;
      const count = (requests.get(socket) ?? 0) + 1;
      requests.set(socket, count);
      if (count === 1) response.end("fine");
      else response.socket?.resetAndDestroy();
    });
    const run = new CliRun(post(key, target.url));
    await until(
      "the first is done",
      async () => target.received.length === 1 && (await pendingIn(redis, key)) === 0,
    );
    await redis.xadd(key, "2-1", "n", "2");
    await until("the second is done, on another connection", () => target.received.length === 3);
    await until("its ack is there", async () => (await pendingIn(redis, key)) === 0);
    run.signal("SIGTERM");
    expect((await run.done).stderr).toContain("2 ok, 0 dead-lettered, 0 retried");
    expect(target.ids).toEqual(["1-1", "2-1", "2-1"]);
  });

  test("a server that does not answer in time is left, and the run is a timeout", async () => {
    const key = await one();
    const target = await HttpTarget.start(() => {});
    await cli(post(key, target.url, "--until-empty", "--timeout", "200ms", "--max-deliveries", "1"));
    expect(await deadLetters(rawRedis(), `${key}:dlq`)).toMatchObject([{ "dlq.reason": "timeout 200ms" }]);
  });

  test("the first signal waits for the answer, the second does not", async () => {
    const redis = rawRedis();
    const key = await one();
    let answer = (): void => {};
    const target = await HttpTarget.start((_request, response) => (answer = () => void response.end()));
    const run = new CliRun(post(key, target.url));
    await until("it is posted", () => target.received.length === 1);
    run.signal("SIGTERM");
    await until("it waits", () => run.stderr.includes("stopping at SIGTERM"));
    answer();
    expect((await run.done).code).toBe(0);
    expect(await pendingIn(redis, key)).toBe(0);

    await redis.xadd(key, "2-1", "n", "2");
    const next = new CliRun(post(key, target.url));
    await until("the next is posted", () => target.received.length === 2);
    next.signal("SIGTERM");
    next.signal("SIGTERM");
    expect((await next.done).code).toBe(143);
    expect(await pendingIn(redis, key)).toBe(1);
  });

  test("large entries and large answers", async () => {
    const key = uniqueKey();
    const large = Buffer.alloc(24 * 1024 * 1024, "x");
    await rawRedis().xadd(key, "1-1", "payload", large);
    const target = await HttpTarget.start((_request, response) => {
      response.on("error", () => {});
      response.write(Buffer.alloc(8 * 1024 * 1024, "y"));
      response.end(Buffer.alloc(8 * 1024 * 1024, "y"));
    });
    const { code, stderr } = await cli(post(key, target.url, "--until-empty"));
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("1 ok");
    const { fields } = JSON.parse(String(target.received[0]?.body)) as { fields: { payload: string } };
    expect(fields.payload).toHaveLength(large.length);
  });

  test("--emit: what is answered with 2xx becomes entries; of more than can be held, none", async () => {
    const redis = rawRedis();
    const key = await one();
    await redis.xadd(key, "2-1", "n", "2");
    const target = await HttpTarget.start(({ id }, response) => {
      response.on("error", () => {});
      if (id === "1-1") response.end('{"a":"1"}\nplain\n');
      else response.end(Buffer.alloc(17 * 1024 * 1024, "y\n"));
    });
    const { code, stderr } = await cli(post(key, target.url, "--until-empty", "--emit", `${key}:out`));
    expect(code, stderr).toBe(0);
    const out = (await redis.xrange(`${key}:out`, "-", "+")).map(([, fields]) => fields);
    expect(out).toEqual([
      ["a", "1"],
      ["payload", "plain"],
    ]);
    expect(await deadLetters(redis, `${key}:dlq`)).toMatchObject([
      { "dlq.reason": "printed more than 16 MiB" },
    ]);
  });

  test("TLS: trusted by --cacert; else the worker stops, and no entry is counted", async () => {
    const certificates = await makeCertificates();
    onTestFinished(() => certificates.remove());
    const [cert, key] = await Promise.all(
      [certificates.serverCert, certificates.serverKey].map((file) => readFile(file, "utf8")),
    );
    const target = await HttpTarget.start(ok, { cert: cert as string, key: key as string });
    const stream = await one();
    const stranger = await cli(post(stream, target.url, "--until-empty"));
    expect(stranger.code).toBe(1);
    expect(stranger.stderr).toMatch(/certificate/i);
    expect(target.received).toEqual([]);
    const trusted = await cli(post(stream, target.url, "--until-empty", "--cacert", certificates.ca));
    expect(trusted.code, trusted.stderr).toBe(0);
    expect(target.received.map(({ headers }) => headers["streamctl-deliveries"])).toEqual(["1"]);
  });

  test("-j: so many at once, each on a connection of its own", async () => {
    const redis = rawRedis();
    const key = uniqueKey();
    await fill(redis, key, 4);
    const waiting: (() => void)[] = [];
    const target = await HttpTarget.start((_request, response) => waiting.push(() => void response.end()));
    const run = new CliRun(post(key, target.url, "-j", "4", "--until-empty"));
    await until("all four are posted", () => waiting.length === 4);
    for (const answer of waiting) answer();
    expect((await run.done).code).toBe(0);
    expect(target.connections).toBe(4);
  });

  test.each([
    [["--post", "ftp://x"], "http or https"],
    [["--post", "nonsense"], "http or https"],
    [["--post", "http://x", "--exec", "true"], "--post"],
    [["--post", "http://x", "--batch", "2"], "--batch"],
    [["--post", "http://x", "--persistent"], "--persistent"],
    [["--post", "http://x", "--header", "nonsense"], "Name: value"],
    [["--post", "http://x", "--header", "Content-Length: 3"], "Content-Length"],
    [["--exec", "true", "--header", "A: b"], "--post"],
  ])("%j: exit 2", async (flags, message) => {
    const { code, stderr } = await cli(["consume", "orders", "-g", "g", ...flags]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
  });

  test("the log says the status", async () => {
    const key = await one();
    const target = await HttpTarget.start(first(status(503)));
    const { stderr } = await cli(post(key, target.url, "--until-empty", "--log", "json"));
    const lines = ndjson(stderr).filter(({ verdict }) => verdict !== undefined);
    expect(lines).toMatchObject([{ verdict: "retry", reason: "status 503" }]);
  });
});
