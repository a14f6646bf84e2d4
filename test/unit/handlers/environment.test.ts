import { describe, expect, test } from "vitest";
import { batchVariables, entryVariables, markVariables } from "../../../src/engine/handlers/environment.ts";
import type { Job } from "../../../src/engine/handlers/handler.ts";
import { groupName, streamKey } from "../../../src/entry/names.ts";
import { entryId } from "../../support/ids.ts";

function job(...fields: string[]): Job {
  const bytes = fields.map((field) => Buffer.from(field));
  return {
    stream: streamKey("orders"),
    entry: { id: entryId("1694012345678-0"), fields: bytes },
    deliveries: 2,
  };
}

const worker = { group: groupName("g"), consumer: "c", envFields: true };

describe("what a handler's environment says", () => {
  test("the environment names the delivery, and its time as RFC 3339", () => {
    expect(entryVariables(job(), worker)).toEqual({
      STREAMCTL_STREAM: "orders",
      STREAMCTL_GROUP: "g",
      STREAMCTL_CONSUMER: "c",
      STREAMCTL_ID: "1694012345678-0",
      STREAMCTL_DELIVERIES: "2",
      STREAMCTL_TIMESTAMP: "2023-09-06T14:59:05.678Z",
    });
  });

  test("fields become FIELD_ variables: the first of equal names, nothing with NUL, nothing too large", () => {
    const env = entryVariables(
      job("order-id", "1", "order.id", "2", "nul", "a\0b", "big", "x".repeat(20_000), "path", "/x"),
      worker,
    );
    expect(env["FIELD_ORDER_ID"]).toBe("1");
    expect(env["FIELD_PATH"]).toBe("/x");
    expect(env).not.toHaveProperty("FIELD_NUL");
    expect(env).not.toHaveProperty("FIELD_BIG");
    expect(env).not.toHaveProperty("PATH");
  });

  test("a field can't overwrite a variable of streamctl's own", () => {
    expect(entryVariables(job("x", "1"), worker)["STREAMCTL_ID"]).toBe("1694012345678-0");
  });

  test("an ID that is no time gives its digits, not a wrong date", () => {
    const far = { ...job(), entry: { id: entryId("18446744073709551615-1"), fields: [] } };
    expect(entryVariables(far, worker)["STREAMCTL_TIMESTAMP"]).toMatch(/^\d+$/);
  });

  test("a batch has its size, and a stream only when that is the same for all", () => {
    const other = { ...job(), stream: streamKey("refunds") };
    const one = { STREAMCTL_BATCH: "2", STREAMCTL_GROUP: "g", STREAMCTL_CONSUMER: "c" };
    expect(batchVariables([job(), job()], worker)).toEqual({ ...one, STREAMCTL_STREAM: "orders" });
    expect(batchVariables([job(), other], worker)).toEqual(one);
  });

  test.each([
    ["single", "STREAM GROUP CONSUMER ID DELIVERIES TIMESTAMP"],
    ["batch", "BATCH GROUP CONSUMER STREAM"],
    ["persistent", "GROUP CONSUMER"],
  ] as const)(
    "%s: says which variables speak of the entry, so a streamctl inside ignores those",
    (manner, names) => {
      expect(markVariables({ HOME: "/h" }, manner)).toEqual({ HOME: "/h", STREAMCTL_SET_BY_WORKER: names });
    },
  );

  test("a worker inside a worker's handler adds to what the outer one set", () => {
    expect(markVariables({ STREAMCTL_SET_BY_WORKER: "ID GROUP" }, "persistent")).toEqual({
      STREAMCTL_SET_BY_WORKER: "ID GROUP CONSUMER",
    });
  });
});
