import { Readable } from "node:stream";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { textChunks, type TextOptions } from "../../../src/lib/text-input.ts";
import { cut } from "../entry/sources.ts";

/** The text, and what ended it before its end. */
async function read(
  bytes: Buffer,
  sizes: readonly number[] = [1_000],
  options: TextOptions = {},
): Promise<{ text: string; error: string | undefined }> {
  const parts: Buffer[] = [];
  let error: string | undefined;
  try {
    for await (const part of textChunks(Readable.from(cut(bytes, sizes)), options)) {
      expect(part.length).toBeGreaterThan(0);
      parts.push(part);
    }
  } catch (thrown) {
    error = (thrown as Error).message;
  }
  return { text: Buffer.concat(parts).toString("latin1"), error };
}

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
const plain = fc.string({ unit: "grapheme-ascii" }).map((text) => Buffer.from(text));

describe("a text", () => {
  test("comes as it is, without the byte order mark, however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(plain, sizes, fc.boolean(), async (text, pieces, marked) => {
        const bytes = marked ? Buffer.concat([Buffer.from("\uFEFF"), text]) : text;
        expect(await read(bytes, pieces)).toEqual({ text: text.toString("latin1"), error: undefined });
      }),
    );
    expect((await read(Buffer.from("a\uFEFF"))).text).toBe("a\xef\xbb\xbf");
    expect((await read(Buffer.from("\uFEFF\uFEFF"))).text).toBe("\xef\xbb\xbf");
  });

  test.each([
    ["UTF-16", Buffer.from("\uFEFF{}", "utf16le")],
    ["UTF-16", Buffer.from("\uFEFF{}", "utf16le").swap16()],
    ["UTF-16", Buffer.from('{"a":1}', "utf16le")],
    ["UTF-16", Buffer.from('{"a":1}', "utf16le").swap16()],
    ["UTF-32", Buffer.from("fffe00007b000000", "hex")],
    ["zstd", Buffer.from("28b52ffd0458", "hex")],
    ["xz", Buffer.from("fd377a585a000004", "hex")],
    ["bzip2", Buffer.from("BZh91AY&SY....")],
    ["lz4", Buffer.from("04224d186040", "hex")],
    ["zip", Buffer.from("PK\x03\x04....")],
    ["zstd", gzipSync(Buffer.from("28b52ffd0458", "hex"))],
    ["gzip within gzip", gzipSync(gzipSync("a,b\n1,2\n"))],
    ["zlib", deflateSync("a,b\n1,2\n")],
  ])("that is %s is refused by name: %s", async (name, bytes) => {
    for (const pieces of [[1], [1_000]]) {
      const { text, error } = await read(bytes, pieces);
      expect(text).toBe("");
      expect(error).toContain(name);
    }
  });

  test("of any bytes is taken, where they may be any", async () => {
    expect((await read(Buffer.from([97, 0, 98]), [1], { binary: true })).text).toBe("a\0b");
    expect((await read(Buffer.from("B"))).text).toBe("B");
    expect((await read(Buffer.from("PK, and no archive"))).text).toBe("PK, and no archive");
  });

  test("is given as it comes: what begins like nothing else waits for nothing", async () => {
    const stream = new Readable({ read() {} });
    const chunks = textChunks(stream);
    stream.push("ab\n");
    expect((await chunks.next()).value?.toString()).toBe("ab\n");
    stream.destroy();
    await chunks.return(undefined);
  });
});

describe("gzip", () => {
  const members = fc.array(plain, { minLength: 1, maxLength: 4 });
  const pads = fc.array(fc.constantFrom(0, 0, 1, 511), { minLength: 4, maxLength: 4 });

  test("is unpacked to its end, members and padding and all, however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(members, pads, sizes, async (texts, zeros, pieces) => {
        const packed = texts.flatMap((text, n) => [gzipSync(text), Buffer.alloc(zeros[n] ?? 0)]);
        const { text, error } = await read(Buffer.concat(packed), pieces, { gzip: true });
        expect({ text, error }).toEqual({ text: Buffer.concat(texts).toString("latin1"), error: undefined });
      }),
    );
  });

  test("with garbage behind it, or cut off, gives what there is, and says so", async () => {
    const lines = Array.from({ length: 5_000 }, (_, n) => `line ${n}\n`).join("");
    const packed = gzipSync(lines);
    const behind = await read(Buffer.concat([packed, Buffer.from("garbage")]));
    expect(behind).toEqual({ text: lines, error: "what follows the gzip data is no gzip" });
    for (const length of [3, 12, 5_000, packed.length - 8, packed.length - 1]) {
      const { text, error } = await read(packed.subarray(0, length));
      expect(error).toBe("it is cut off");
      expect(lines.startsWith(text)).toBe(true);
      if (length >= 5_000) expect(text.length).toBeGreaterThan(10_000);
    }
  });

  test("that is damaged gives what comes before, and a wrong checksum is said", async () => {
    // Hard to pack, so that there is much of it.
    const noise = Array.from({ length: 20_000 }, (_, n) => `${(n * 7_919) ** 3}\n`).join("");
    const packed = gzipSync(noise);
    const at = Math.floor(packed.length / 2);
    packed.fill(0xff, at, at + 64);
    const { text, error } = await read(packed, [100_000]);
    expect(error).toMatch(/damaged|checksum/);
    expect(text.length).toBeGreaterThan(noise.length / 4);
    const sums = gzipSync("abc");
    sums.writeUInt32LE(7, sums.length - 8);
    expect(await read(sums)).toEqual({
      text: "abc",
      error: "its checksum is not that of what was unpacked",
    });
  });

  test("may have a name, a comment and extra fields in its header", async () => {
    const head = Buffer.from("1f8b081e000000000003", "hex");
    const more = Buffer.concat([
      Buffer.from([3, 0, 1, 2, 3]),
      Buffer.from("name\0comment\0"),
      Buffer.from([9, 9]),
    ]);
    const plainTrailer = gzipSync("abc").subarray(-8);
    const packed = Buffer.concat([head, more, deflateRawSync("abc"), plainTrailer]);
    expect((await read(packed, [1])).text).toBe("abc");
  });

  test.each([
    ["nothing", "", "it is empty, which is no gzip"],
    ["text", "plain text", "it is not gzip"],
  ])("that is %s is no gzip", async (_, text, error) => {
    expect((await read(Buffer.from(text), [1], { gzip: true })).error).toBe(error);
  });
});
