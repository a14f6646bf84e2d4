import { tmpdir } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import type { Command, Handler, HandlerSettings, Job } from "../../../src/engine/handlers/handler.ts";
import { makeHandler } from "../../../src/engine/handlers/make-handler.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import { entryId } from "../../support/ids.ts";

const always = (): boolean => true;

const BATCH = { kind: "batch", rule: { size: 10, waitMs: 0 } } as const;
const PERSISTENT = { kind: "persistent", ahead: 10 } as const;

function job(n: number): Job {
  return {
    stream: streamKey("orders"),
    entry: { id: entryId(`${n}-0`), fields: [Buffer.from("n"), Buffer.from(`${n}`)] },
    deliveries: 1,
  };
}

function shell(text: string): Command {
  return { kind: "shell", text, whole: true };
}

interface Made {
  readonly handler: Handler;
  readonly printed: { stdout: string; stderr: string };
}

const made: Handler[] = [];
afterEach(async () => {
  for (const handler of made.splice(0)) {
    await handler.killAll(1_000);
    await handler.close();
  }
});

describe.each([
  ["with pipes that have no name", process.pid],
  // A process number that is not this one's is how a system without /proc looks.
  ["on a system without /proc", 0],
])("a handler %s", (_how, pid) => {
  async function make(command: Command, more: Partial<HandlerSettings> = {}): Promise<Made> {
    const printed = { stdout: "", stderr: "" };
    const handler = await makeHandler(
      {
        command,
        manner: { kind: "single" },
        concurrency: 2,
        env: process.env,
        cwd: tmpdir(),
        group: groupName("g"),
        consumer: "c",
        stdin: { kind: "entry" },
        envFields: false,
        tag: false,
        captureStdout: false,
        timeoutMs: undefined,
        killAfterMs: 1_000,
        ...more,
      },
      {
        system: { pid, kill: (target, signal) => process.kill(target, signal), scratchDirs: [tmpdir()] },
        output: {
          stdout: async (lines) => void (printed.stdout += lines.toString()),
          stderr: async (lines) => void (printed.stderr += lines.toString()),
        },
        notice: () => {},
      },
    );
    made.push(handler);
    return { handler, printed };
  }

  test("passes both outputs on by lines, the last one given its end", async () => {
    const { handler, printed } = await make(shell('printf "%s" "$STREAMCTL_ID"; printf "why" >&2; exit 3'));
    expect(await handler.run([job(1)], always)).toEqual([
      { kind: "exit", code: 3, stderr: Buffer.from("why\n") },
    ]);
    expect(printed).toEqual({ stdout: "1-0\n", stderr: "why\n" });
  });

  test("keeps what is to be emitted, and passes it on to nobody", async () => {
    const { handler, printed } = await make(shell("cat"), { captureStdout: true, stdin: { kind: "fields" } });
    expect(await handler.run([job(7)], always)).toMatchObject([
      { code: 0, stdout: Buffer.from('{"n":"7"}\n') },
    ]);
    expect(printed.stdout).toBe("");
  });

  test("that takes too long is ended, and what it said before counts", async () => {
    const { handler } = await make(shell("echo slow >&2; sleep 30"), { timeoutMs: 2_000 });
    expect(await handler.run([job(1)], always)).toEqual([
      { kind: "timeout", afterMs: 2_000, stderr: Buffer.from("slow\n") },
    ]);
  });

  test("that is stopped says nothing about its entry", async () => {
    const { handler, printed } = await make(shell("echo begun; sleep 30"));
    const running = handler.run([job(1)], always);
    await expect.poll(() => printed.stdout).toBe("begun\n");
    await handler.killAll(1_000);
    expect(await running).toEqual([{ kind: "stopped" }]);
  });

  test("that can't be found is unstarted, no failure of the entry", async () => {
    const { handler } = await make({ kind: "program", program: "/no/such/program", args: [] });
    expect(await handler.run([job(1)], always)).toMatchObject([{ kind: "unstarted", code: 127 }]);
  });

  test("is not waited for by the pipes that a process left behind holds, nor is its last line lost", async () => {
    const { handler, printed } = await make(shell("sleep 30 & echo $!; printf rest"));
    expect(await handler.run([job(1)], always)).toMatchObject([{ kind: "exit", code: 0 }]);
    const [left, rest] = printed.stdout.split("\n");
    process.kill(Number(left), "SIGKILL");
    expect(rest).toBe("rest");
  });

  test("is not waited for by what a process left behind goes on printing", async () => {
    const { handler } = await make(
      shell("(while :; do echo chatter; sleep 0.05; done) & echo $! >&2; exit 5"),
    );
    const [outcome] = await handler.run([job(1)], always);
    expect(outcome).toMatchObject({ kind: "exit", code: 5 });
    if (outcome?.kind === "exit") process.kill(Number(outcome.stderr.toString()), "SIGKILL");
  });

  test("of several entries settles by fd 3 what it names there, by its exit all others", async () => {
    const { handler } = await make(shell('[ "$(wc -l)" -eq 3 ] && echo "2-0 dead bad" >&3'), {
      manner: BATCH,
    });
    expect(handler.batch.size).toBe(10);
    expect(await handler.run([job(1), job(2), job(3)], always)).toMatchObject([
      { kind: "exit", code: 0 },
      { kind: "answer", answer: "dead", reason: "bad" },
      { kind: "exit", code: 0 },
    ]);
  });

  test("that stays answers for each entry, and may take more at once the faster it does", async () => {
    const { handler } = await make(shell("while read -r line; do echo ok; done"), { manner: PERSISTENT });
    expect(handler.slots).toBe(2);
    for (let n = 1; n <= 20; n++)
      expect(await handler.run([job(n)], always)).toMatchObject([{ kind: "answer", answer: "ok" }]);
    await expect.poll(() => handler.slots).toBeGreaterThan(2);
  });

  test("that stays and ends with an entry unanswered fails that one alone", async () => {
    const { handler } = await make(shell("read -r line; echo why >&2; exit 4"), { manner: PERSISTENT });
    expect(await handler.run([job(1)], always)).toEqual([
      { kind: "exit", code: 4, stderr: Buffer.from("why\n") },
    ]);
  });

  test("that was told to stop begins nothing more", async () => {
    const { handler } = await make(shell("while read -r line; do echo ok; done"), { manner: PERSISTENT });
    await handler.close();
    expect(await handler.run([job(1)], always)).toEqual([{ kind: "unrun" }]);
  });
});
