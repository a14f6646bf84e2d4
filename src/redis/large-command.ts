import type { Writable } from "node:stream";
import { Command } from "./ioredis.ts";
import type { Arg } from "./value.ts";

const LARGE_BYTES = 1024 * 1024;

/** Of one argument. */
export function isLarge(arg: Arg): boolean {
  return Buffer.isBuffer(arg) && arg.length > LARGE_BYTES;
}

/** Writes its large arguments as they are, because ioredis' own command copies all of them into one buffer first. */
export class LargeCommand extends Command {
  constructor(name: string, args: readonly Arg[]) {
    super(name, [...args], { replyEncoding: null });
  }

  /** Gives the last piece: ioredis writes it itself. `stream` holds back what is written in one turn of the event loop. */
  override toWritable(stream: object): Buffer {
    const socket = stream as Writable;
    const args = this.args as (string | Buffer)[];
    let small: Buffer[] = [Buffer.from(`*${args.length + 1}\r\n$${this.name.length}\r\n${this.name}\r\n`)];
    for (const arg of args) {
      small.push(Buffer.from(`$${Buffer.byteLength(arg)}\r\n`));
      if (isLarge(arg)) {
        socket.write(Buffer.concat(small));
        socket.write(arg);
        small = [];
      } else small.push(Buffer.isBuffer(arg) ? arg : Buffer.from(arg));
      small.push(CRLF);
    }
    return Buffer.concat(small);
  }
}

const CRLF = Buffer.from("\r\n");
