import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../support/redis.ts";
import { PipeOut } from "../../src/output/pipe-out.ts";

/** A pipe with a reader that has not read yet, and how often Node's own stream was made for it. */
function pipe(): { out: PipeOut; reader: number; made: () => number } {
  const folder = mkdtempSync(join(tmpdir(), "streamctl-pipe-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  rmSync(folder, { recursive: true });
  let nodes: Socket | undefined;
  let made = 0;
  onTestFinished(() => {
    if (nodes) nodes.destroy();
    else closeSync(writer);
  });
  const out = new PipeOut(writer, () => {
    made++;
    nodes = new Socket({ fd: writer, readable: false, writable: true });
    return nodes;
  });
  return { out, reader, made: () => made };
}

/** Resolves with what the callback of a write is given. */
function written(out: PipeOut, bytes: string): Promise<Error | null | undefined> {
  return new Promise((resolve) => void out.write(bytes, resolve));
}

/** What is in the pipe. */
function rest(reader: number): string {
  const bytes = Buffer.alloc(64 * 1024);
  try {
    return bytes.toString("utf8", 0, readSync(reader, bytes));
  } catch (error) {
    expect(error).toMatchObject({ code: "EAGAIN" });
    return "";
  }
}

test("a pipe with room takes what is printed at once, without Node's stream", async () => {
  const { out, reader, made } = pipe();
  onTestFinished(() => closeSync(reader));
  const done = written(out, "first\n");
  expect(rest(reader)).toBe("first\n");
  expect(await done).toBeUndefined();
  expect(out.writableLength).toBe(0);
  expect(made()).toBe(0);
});

test("a pipe that is full holds nothing up, and gets everything in its order", async () => {
  const { out, reader, made } = pipe();
  const lines = Array.from({ length: 300 }, (_, n) => `${n} `.padEnd(1_000, "x"));
  onTestFinished(() => closeSync(reader));
  const all = lines.map((line) => written(out, line));
  expect(out.writableLength).toBeGreaterThan(0);
  expect(made()).toBe(1);
  let read = "";
  await until("all of it has come", () => (read += rest(reader)).length >= lines.join("").length);
  expect(read).toBe(lines.join(""));
  for (const error of await Promise.all(all)) expect(error ?? undefined).toBeUndefined();
  expect(out.writableLength).toBe(0);
});

test("where nobody reads any more it fails as Node's stream does, and says so", async () => {
  const { out, reader } = pipe();
  const failed = new Promise<Error>((resolve) => void out.on("error", resolve));
  closeSync(reader);
  expect(await written(out, "lost\n")).toMatchObject({ code: "EPIPE" });
  expect(await failed).toMatchObject({ code: "EPIPE" });
});
