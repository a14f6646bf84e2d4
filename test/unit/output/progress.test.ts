import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Log } from "../../../src/output/log.ts";
import { Output } from "../../../src/output/output.ts";
import { createProgress } from "../../../src/output/progress.ts";
import { startLiveLine } from "../../../src/output/live-line.ts";

/** A terminal that keeps what is drawn on it. */
class Terminal extends Writable {
  readonly isTTY = true;
  columns = 40;
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString("utf8");
    done();
  }
}

function logOn(stream: Terminal, quiet = false): Log {
  return new Log(stream, { quiet, verbose: false });
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the status line", () => {
  test("is redrawn at most five times a second, fits the terminal, and is gone after stop", () => {
    const terminal = new Terminal();
    let drawn = 0;
    const status = startLiveLine(logOn(terminal), () => `${++drawn} ${"x".repeat(100)}`);
    vi.advanceTimersByTime(1_000);
    expect(drawn).toBe(5);
    expect(terminal.text.split("\r").every((line) => line.replace("\u001b[2K", "").length < 40)).toBe(true);
    status.stop();
    expect(terminal.text.endsWith("\r\u001b[2K")).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("stays below what is logged", () => {
    const terminal = new Terminal();
    const log = logOn(terminal);
    const status = startLiveLine(log, () => "busy");
    vi.advanceTimersByTime(200);
    log.info("something happened");
    expect(terminal.text.endsWith("\r\u001b[2Kstreamctl: something happened\n\r\u001b[2Kbusy")).toBe(true);
    status.stop();
  });

  test("shows no control characters of what it tells", () => {
    const terminal = new Terminal();
    const status = startLiveLine(logOn(terminal), () => "\u001b[2J\n");
    vi.advanceTimersByTime(200);
    expect(terminal.text).toContain("\\e[2J\\n");
    status.stop();
  });

  test.each([0, -1, Number.NaN])("on a terminal of %d columns is drawn as on one of 80", (columns) => {
    const terminal = Object.assign(new Terminal(), { columns });
    const status = startLiveLine(logOn(terminal), () => "x".repeat(100));
    vi.advanceTimersByTime(200);
    expect(terminal.text).toBe(`\r\u001b[2K${"x".repeat(78)}…`);
    status.stop();
  });

  test("draws nothing with -q or without a terminal", () => {
    const quiet = new Terminal();
    const pipe = Object.assign(new Terminal(), { isTTY: false });
    for (const log of [logOn(quiet, true), logOn(pipe)]) startLiveLine(log, () => "busy");
    expect(vi.getTimerCount()).toBe(0);
    expect(quiet.text + pipe.text).toBe("");
  });
});

describe("progress", () => {
  test("shows count, rate and time left, and is gone after stop", async () => {
    const terminal = Object.assign(new Terminal(), { columns: 100 });
    const progress = createProgress(logOn(terminal), { label: "reading orders", unit: "entries" });
    progress.update(20_000, 100_000);
    await vi.advanceTimersByTimeAsync(499);
    expect(terminal.text).toBe("");
    await vi.advanceTimersByTimeAsync(1);
    await vi.waitFor(() =>
      expect(terminal.text).toContain("reading orders: 20\u202f000 of 100\u202f000 entries"),
    );
    await vi.advanceTimersByTimeAsync(500);
    expect(terminal.text).toMatch(/entries, [\d\u202f]+\/s, \S+ left/);
    progress.stop();
    progress.stop();
    expect(vi.getTimerCount()).toBe(0);
    expect(terminal.text.endsWith("\r\u001b[2K")).toBe(true);
  });

  test("ends, and is one line, on a terminal of no columns", async () => {
    const terminal = Object.assign(new Terminal(), { columns: 0 });
    const progress = createProgress(logOn(terminal), { label: "reading", unit: "entries" });
    progress.update(5);
    await vi.advanceTimersByTimeAsync(600);
    await vi.waitFor(() => expect(terminal.text).toContain("reading: 5 entries"));
    progress.stop();
    expect(terminal.text).not.toContain("\n");
  });

  test("is taken away while data is written to the same terminal, and drawn below it", async () => {
    const terminal = new Terminal();
    const log = logOn(terminal);
    const io = { stdout: terminal } as unknown as ConstructorParameters<typeof Output>[0];
    const output = new Output(io, { color: false, drawn: log });
    const progress = createProgress(log, { label: "reading", unit: "entries" });
    await vi.advanceTimersByTimeAsync(500);
    await vi.waitFor(() => expect(terminal.text).not.toBe(""));
    await output.write("data\n");
    const end = terminal.text.split("\r\u001b[2K").slice(-2);
    expect(end).toEqual(["data\n", expect.stringMatching(/^\S reading: 0 entries$/)]);
    progress.stop();
  });

  test("says nothing of what is done at once", async () => {
    const terminal = new Terminal();
    const progress = createProgress(logOn(terminal), { label: "reading", unit: "entries" });
    progress.update(5);
    progress.stop();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(terminal.text).toBe("");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("says nothing with -q or without a terminal", () => {
    createProgress(logOn(new Terminal(), true), { label: "reading", unit: "entries" });
    createProgress(logOn(Object.assign(new Terminal(), { isTTY: false })), {
      label: "reading",
      unit: "entries",
    });
    expect(vi.getTimerCount()).toBe(0);
  });
});
