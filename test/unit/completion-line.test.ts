import { describe, expect, test } from "vitest";
import { commandOf, readLine } from "../../src/completion/line.ts";
import { buildProgram } from "../../src/program.ts";

const program = await buildProgram(() => () => Promise.resolve());
const read = (line: string): ReturnType<typeof readLine> => readLine(program, line);

describe("what the word at the cursor names", () => {
  test.each([
    ["streamctl consume ", "streams", ""],
    ["streamctl consume ord", "streams", "ord"],
    ["streamctl consume orders mails:e", "streams", "mails:e"],
    ["streamctl lag orders -g ", "groups", ""],
    ["streamctl lag orders -g bil", "groups", "bil"],
    ["streamctl lag orders --group=bil", "groups", "bil"],
    ["streamctl lag -g a:b", "groups", "a:b"],
    ["streamctl pending orders -g billing --consumer w", "consumers", "w"],
    ["streamctl claim orders -g billing --to ", "consumers", ""],
    ["streamctl claim orders -g billing 16", "pending", "16"],
    ["streamctl ack orders -g billing 1-0 ", "pending", ""],
    ["streamctl group set-id orders b", "groups", "b"],
    ["streamctl group forget-consumer orders w", "consumers", "w"],
    ["streamctl group forget-consumer orders w1 x", undefined, "x"],
    ["streamctl dlq show orders ", "letters", ""],
    ["streamctl dlq add orders -g billing 16", "pending", "16"],
    ["streamctl release orders -g billing 16", "pending", "16"],
    ["streamctl dlq replay orders 1-0 2", "letters", "2"],
    ["streamctl dlq list orders ", undefined, ""],
    ["streamctl dlq replay orders --to ", "streams", ""],
    ["streamctl --profile ", "profiles", ""],
    ["streamctl lag --profile=pro", "profiles", "pro"],
    ["streamctl produce orders a=1", undefined, "a=1"],
    ["streamctl consume orders --exec ", undefined, ""],
    ["streamctl consume orders --", undefined, "--"],
    ["streamctl consume orders -g g -- ls ", undefined, ""],
    ["streamctl frobnicate ", undefined, ""],
    ["streamctl ", undefined, ""],
    ["", undefined, ""],
  ])("%s", (line, wanted, prefix) => {
    expect(read(line)).toMatchObject({ wanted, prefix });
  });
});

describe("what stands before it", () => {
  test("the stream, the group and the server, in every spelling", () => {
    expect(read("streamctl -u redis://h:1/2 claim orders --group=billing -qv --tls -n3 ")).toMatchObject({
      operands: ["orders"],
      options: new Map([["group", "billing"]]),
      globals: { url: "redis://h:1/2", quiet: true, verbose: true, tls: true, db: 3 },
    });
  });

  test("quotes and backslashes are a shell's", () => {
    expect(read(`streamctl pending 'my stream' -g "a \\"b" --consumer x\\ y`)).toMatchObject({
      operands: ["my stream"],
      options: new Map([["group", `a "b`]]),
      prefix: "x y",
    });
    expect(read("streamctl pending 'my str")).toMatchObject({ wanted: "streams", prefix: "my str" });
  });

  test("what makes no sense is passed over", () => {
    expect(read("streamctl lag --nosuch -p none -Z orders -g ")).toMatchObject({
      wanted: "groups",
      operands: ["orders"],
      globals: {},
    });
  });

  test("a command's own flag is not a global one of that letter", () => {
    expect(read("streamctl lag -o prometheus --max-lag 3 ")).toMatchObject({
      options: new Map([
        ["output", "prometheus"],
        ["max-lag", "3"],
      ]),
      globals: {},
    });
  });
});

test("the command is found behind global flags", async () => {
  const globals = await buildProgram(() => () => Promise.resolve(), "__complete");
  expect(commandOf(globals, "streamctl -u lag -q pending orders -g ")).toBe("pending");
  expect(commandOf(globals, "streamctl ")).toBeUndefined();
});
