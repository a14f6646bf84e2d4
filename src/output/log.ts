import type { OutStream } from "../io.ts";
import { withoutPasswords } from "../lib/secret-text.ts";
import type { Drawn } from "./output.ts";
import { safeJson, safeText } from "./safe-text.ts";

export type LogFormat = "text" | "json";

/**
 * Everything for people, on stderr: summaries, notices, warnings; never a URL's password. A status line (set by the one command
 * that draws one) is taken away before a line is written and drawn again after it.
 */
export class Log {
  /** Where it all goes; progress and status lines are drawn on it. */
  readonly stream: OutStream;
  readonly #format: LogFormat;
  readonly quiet: boolean;
  readonly verbose: boolean;
  #around: Drawn | undefined;
  #run: LogFacts | undefined;
  /** Lines that were not written because stderr takes no more. */
  #leftOut = 0;

  constructor(
    stream: OutStream,
    options: { quiet: boolean; verbose: boolean; format?: LogFormat | undefined },
  ) {
    this.stream = stream;
    this.#format = options.format ?? "text";
    this.quiet = options.quiet;
    this.verbose = options.verbose;
  }

  get terminal(): boolean {
    return this.stream.isTTY === true;
  }

  /** Every message is a JSON object. */
  get json(): boolean {
    return this.#format === "json";
  }

  /** Whether progress and a status line may be drawn. */
  get live(): boolean {
    return this.terminal && !this.quiet && !this.json;
  }

  /** A long run begins: from here on each line says when, and as JSON these facts, too. */
  begin(facts: LogFacts): void {
    this.#run = facts;
  }

  /** Only with -v. */
  detail(message: string, facts?: LogFacts): void {
    if (this.verbose) this.#line("debug", message, facts);
  }

  /** Summaries and notices; silenced by -q. */
  info(message: string, facts?: LogFacts): void {
    if (!this.quiet) this.#line("info", message, facts);
  }

  warn(message: string, facts?: LogFacts): void {
    this.#line("warn", message, facts);
  }

  /** `stack` follows the message, as lines of its own or as part of the object. */
  error(message: string, stack?: string): void {
    const shown = stack === undefined ? undefined : withoutPasswords(stack);
    this.#line("error", message, shown === undefined || !this.json ? {} : { stack: shown });
    if (shown !== undefined && !this.json)
      this.stream.write(`${shown.split("\n").map(safeText).join("\n")}\n`);
  }

  /** Bytes as they are, by whole lines (a handler's stderr). Resolves when the reader has taken them, or is gone. */
  passThrough(bytes: Buffer): Promise<void> {
    this.clear();
    const taken = new Promise<void>((resolve) => {
      this.stream.write(bytes, () => resolve());
    });
    this.draw();
    return taken;
  }

  /** The status line to keep below the log; undefined takes it away. */
  keepBelow(status: Drawn | undefined): void {
    this.#around = status;
  }

  /** Takes the status line away while something else is written to the terminal; `draw` brings it back. */
  clear(): void {
    this.#around?.clear();
  }

  draw(): void {
    this.#around?.draw();
  }

  #line(level: Level, text: string, facts?: LogFacts): void {
    // What nobody reads must not fill the memory.
    if (this.stream.writableLength > MOST_WAITING) {
      this.#leftOut++;
      return;
    }
    this.clear();
    if (this.#leftOut > 0) {
      const lines = this.#leftOut === 1 ? "a line was" : `${this.#leftOut} lines were`;
      this.#leftOut = 0;
      this.stream.write(this.#formatted("warn", `${lines} left out here: stderr was not read`));
    }
    this.stream.write(this.#formatted(level, withoutPasswords(text), facts));
    this.draw();
  }

  #formatted(level: Level, message: string, facts?: LogFacts): string {
    const time = new Date().toISOString();
    if (this.json) return `${safeJson({ time, level, message, ...masked({ ...this.#run, ...facts }) })}\n`;
    return `${this.#run ? `${time} ` : ""}streamctl: ${MARKS[level]}${safeText(message)}\n`;
  }
}

/** A stream or a consumer may be a URL that stands in a wrong place, password and all. */
function masked(facts: LogFacts): LogFacts {
  const values = Object.entries(facts).map(([name, value]) => [
    name,
    typeof value === "string" ? withoutPasswords(value) : value,
  ]);
  return Object.fromEntries(values) as LogFacts;
}

type Level = "debug" | "info" | "warn" | "error";

const MARKS: Readonly<Record<Level, string>> = {
  debug: "debug: ",
  info: "",
  warn: "warning: ",
  error: "error: ",
};

/** So many bytes may wait for stderr's reader. */
const MOST_WAITING = 1024 * 1024;

/** What a JSON log line carries besides its message. */
export type LogFacts = Readonly<Record<string, string | number | boolean | null>>;
