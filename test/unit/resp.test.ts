import * as fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCommand, type Reply, ReplyError, RespParser } from "../../src/redis/resp.ts";

function encode(reply: Reply): Buffer {
  if (reply === null) return Buffer.from("$-1\r\n");
  if (typeof reply === "number") return Buffer.from(`:${reply}\r\n`);
  if (typeof reply === "string") return Buffer.from(`+${reply}\r\n`);
  if (reply instanceof ReplyError) return Buffer.from(`-${reply.text}\r\n`);
  if (Array.isArray(reply)) return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encode)]);
  return Buffer.concat([Buffer.from(`$${reply.length}\r\n`), reply, Buffer.from("\r\n")]);
}

const line = fc.string({ unit: "grapheme-ascii", maxLength: 12 });

const replies = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { depthSize: "small" },
    fc.constant<Reply>(null),
    fc.maxSafeInteger(),
    line,
    line.map((text) => new ReplyError(text)),
    // Bulk strings may hold what looks like protocol.
    fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant("\r\n$3\r\n")).map((bytes) => Buffer.from(bytes)),
    fc.array(tie("reply"), { maxLength: 5 }),
  ),
})).reply;

test("replies come out whole and in order, wherever the network cuts them", () => {
  fc.assert(
    fc.property(
      fc.array(replies, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
      (sent, sizes) => {
        const bytes = Buffer.concat(sent.map(encode));
        const got: Reply[] = [];
        const parser = new RespParser((reply) => got.push(reply));
        for (let at = 0; at < bytes.length;) {
          const size = sizes.next().value as number;
          parser.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(got).toEqual(sent);
      },
    ),
    { numRuns: 500 },
  );
});

test("what is no RESP2 is refused, not waited for", () => {
  expect(() => new RespParser(() => {}).push(Buffer.from("HTTP/1.1 400\r\n"))).toThrow(/not a RESP2 reply/);
});

test("commands carry every byte of their arguments", () => {
  const command = encodeCommand(["XADD", "ü", 7, Buffer.from([0xff, 13, 10])]);
  expect(command.toString("latin1")).toBe(
    "*4\r\n$4\r\nXADD\r\n$2\r\n\u00c3\u00bc\r\n$1\r\n7\r\n$3\r\n\u00ff\r\n\r\n",
  );
});
