import { describe, expect, test } from "vitest";
import { envFor, stdinFor } from "../../../src/engine/worker/payload.ts";
import type { Delivery } from "../../../src/engine/worker/types.ts";

function delivery(...fields: (string | Buffer)[]): Delivery {
  const bytes = fields.map((field) => (Buffer.isBuffer(field) ? field : Buffer.from(field)));
  return { stream: "orders", entry: { id: "1694012345678-0", fields: bytes }, deliveries: 2, lost: false };
}

const worker = { group: "g", consumer: "c", envFields: true };

describe("what a handler gets", () => {
  test("the entry's JSON line with what is known of it", () => {
    expect(stdinFor(delivery("a", "1"), { kind: "entry" }, "c").toString()).toBe(
      '{"stream":"orders","id":"1694012345678-0","fields":{"a":"1"},"deliveries":2,"consumer":"c"}\n',
    );
  });

  test("the fields alone, one field's raw bytes, or nothing", () => {
    const entry = delivery("a", "1", "raw", Buffer.from([0, 255, 10]));
    expect(stdinFor(entry, { kind: "fields" }, "c").toString()).toBe('{"a":"1","raw":{"base64":"AP8K"}}\n');
    expect([...stdinFor(entry, { kind: "field", name: "raw" }, "c")]).toEqual([0, 255, 10]);
    expect(stdinFor(entry, { kind: "field", name: "none" }, "c").length).toBe(0);
    expect(stdinFor(entry, { kind: "none" }, "c").length).toBe(0);
  });

  test("the environment names the delivery, and its time as RFC 3339", () => {
    expect(envFor(delivery(), worker)).toEqual({
      STREAMCTL_STREAM: "orders",
      STREAMCTL_GROUP: "g",
      STREAMCTL_CONSUMER: "c",
      STREAMCTL_ID: "1694012345678-0",
      STREAMCTL_DELIVERIES: "2",
      STREAMCTL_TIMESTAMP: "2023-09-06T14:59:05.678Z",
    });
  });

  test("fields become FIELD_ variables: the first of equal names, nothing with NUL, nothing too large", () => {
    const env = envFor(
      delivery("order-id", "1", "order.id", "2", "nul", "a\0b", "big", "x".repeat(20_000), "path", "/x"),
      worker,
    );
    expect(env["FIELD_ORDER_ID"]).toBe("1");
    expect(env["FIELD_PATH"]).toBe("/x");
    expect(env).not.toHaveProperty("FIELD_NUL");
    expect(env).not.toHaveProperty("FIELD_BIG");
    expect(env).not.toHaveProperty("PATH");
  });

  test("a field can't overwrite a variable of streamctl's own", () => {
    expect(envFor(delivery("x", "1"), worker)["STREAMCTL_ID"]).toBe("1694012345678-0");
  });
});
