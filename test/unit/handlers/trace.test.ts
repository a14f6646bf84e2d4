import { describe, expect, test } from "vitest";
import { TraceContext, withoutTrace } from "../../../src/engine/handlers/trace.ts";
import { entryId } from "../../support/ids.ts";

const PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

function traced(...fields: (string | Buffer)[]) {
  const said: string[] = [];
  const context = new TraceContext((_, message) => said.push(message));
  const bytes = fields.map((field) => Buffer.from(field as string));
  return { variables: context.variables({ id: entryId("1-1"), fields: bytes }), said, context };
}

const fieldsOf = (text: string): string[] => text.split(/[ =]/);

describe("an entry's trace", () => {
  test("is its fields of the headers' names, in any case; the first of equal ones, and nothing else", () => {
    const { variables, said } = traced(
      ...fieldsOf(
        "traceparent=P Tracestate=a:b BAGGAGE=user:1 TRACEPARENT=another traceparent2=x baggages=y PATH=/tmp",
      ),
    );
    expect(variables).toEqual({ TRACEPARENT: "P", TRACESTATE: "a:b", BAGGAGE: "user:1" });
    expect(said).toEqual([]);
  });

  test.each([
    ["NUL", "a\0b", "control characters"],
    ["a line end, which would be another header", "a\r\nx: y", "control characters"],
    ["bytes that are no text", Buffer.from([0xff]), "not UTF-8"],
    ["more than 8 KiB", "x".repeat(8_193), "longer than 8192"],
  ])("leaves out %s, and says so once", (_, value, why) => {
    const { variables, said, context } = traced("baggage", value, "traceparent", PARENT);
    expect(variables).toEqual({ TRACEPARENT: PARENT });
    context.variables({ id: entryId("2-1"), fields: [Buffer.from("baggage"), Buffer.from(value as string)] });
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(why);
  });

  test("costs entries without one nothing, not even an object", () => {
    expect(traced("orderId", "1", "traceparen_", "x", "traceparent", "").variables).toBeUndefined();
  });

  test("a worker's own is no entry's", () => {
    expect(withoutTrace({ TRACEPARENT: PARENT, TRACESTATE: "x", BAGGAGE: "y", PATH: "/bin" })).toEqual({
      PATH: "/bin",
    });
  });
});
