import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { readSmallFile } from "../../../src/lib/small-file.ts";

let path: string;

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "streamctl-file-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  path = join(folder, "file");
});

test("a file, and whether others may read it", async () => {
  writeFileSync(path, "\ufeffone\ntwo\n", { mode: 0o600 });
  expect(await readSmallFile(path)).toEqual({ text: "one\ntwo\n", worldReadable: false });
  chmodSync(path, 0o644);
  expect((await readSmallFile(path)).worldReadable).toBe(true);
});

test("a pipe without a writer does not hang", async () => {
  execFileSync("mkfifo", [path]);
  const stop = new AbortController();
  const read = readSmallFile(path, stop.signal);
  setTimeout(() => stop.abort(), 50);
  await expect(read).rejects.toThrow("nothing came through this pipe");
});

test("a pipe whose writer takes its time is read to the end", async () => {
  execFileSync("mkfifo", [path]);
  const script = 'sleep 0.1; { printf one; sleep 0.1; printf "two\\n"; } > "$0"';
  const writer = spawn("/bin/sh", ["-c", script, path]);
  const ended = new Promise((resolve) => writer.once("close", resolve));
  expect(await readSmallFile(path)).toEqual({ text: "onetwo\n", worldReadable: false });
  await ended;
});

test.each([
  ["a file that has no end", "/dev/zero", /larger than/],
  ["a directory", tmpdir(), /directory/i],
  ["a file that is not there", "/nonexistent/file", /ENOENT/],
])("%s", async (_, file, message) => {
  await expect(readSmallFile(file)).rejects.toThrow(message);
});

test.each([
  [Buffer.from("\ufeffpw", "utf16le"), /UTF-16/],
  [Buffer.from("p\u00e4ss", "latin1"), /not UTF-8/],
])("bytes that would be read as something else are refused", async (bytes, message) => {
  writeFileSync(path, bytes);
  await expect(readSmallFile(path)).rejects.toThrow(message);
});
