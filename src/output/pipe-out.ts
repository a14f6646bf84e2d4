import { EventEmitter } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import type { OutStream, Written } from "../io.ts";

/**
 * A pipe or a socket as a stream. While a pipe has room it is written to at once. Node's own stream, which takes all that Node
 * has for sockets with it, is made only when the pipe has none, or fails: from then on everything is that stream's. Writing
 * never blocks: Linux opens a pipe anew by its descriptor, and only this process' description of it is non-blocking.
 */
export class PipeOut extends EventEmitter implements OutStream {
  readonly #makeNodes: () => OutStream;
  #nodes: OutStream | undefined;
  #fd: number | undefined;

  /** `pipe`: its descriptor; undefined for a socket, which is Node's from the first write on. */
  constructor(pipe: number | undefined, nodes: () => OutStream) {
    super();
    this.#makeNodes = nodes;
    if (pipe === undefined) return;
    try {
      this.#fd = openSync(`/proc/self/fd/${pipe}`, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      // Another user's pipe, or another system.
    }
  }

  get writableLength(): number {
    return this.#nodes?.writableLength ?? 0;
  }

  write(text: Buffer | string, done?: Written): boolean {
    if (this.#nodes) return this.#nodes.write(text, done);
    const rest = this.#writeNow(typeof text === "string" ? Buffer.from(text) : text);
    if (rest.length > 0) return this.#takeNodes().write(rest, done);
    if (done) queueMicrotask(done);
    return true;
  }

  /** What did not go. */
  #writeNow(bytes: Buffer): Buffer {
    if (this.#fd === undefined) return bytes;
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(this.#fd, bytes, at);
    } catch {
      // Full, or nobody reads: Node's stream meets it again.
    }
    return bytes.subarray(at);
  }

  #takeNodes(): OutStream {
    if (this.#fd !== undefined) closeSync(this.#fd);
    const nodes = this.#makeNodes();
    nodes.on("error", (error) => this.emit("error", error));
    this.#nodes = nodes;
    return nodes;
  }
}
