import { describe, expect, test } from "vitest";
import { readConfig } from "../../../src/config/file-reader.ts";
import { STARTER } from "../../../src/config/starter.ts";

const read = (text: string) => readConfig(text, "c.yaml", false);

describe("a configuration file", () => {
  test.each([
    ["prot: 1", 'c.yaml:1: unknown key "prot": did you mean "port"?'],
    ["port: 1\n\nread-only: true", 'c.yaml:3: unknown key "read-only"'],
    [
      "profiles:\n  prod:\n    read-only: true",
      'c.yaml:3: unknown key "read-only": did you mean "readOnly"?',
    ],
    ["port: many", "c.yaml:1: port: give a port from 1 to 65535"],
    ["profiles:\n  a:\n    connectTimeout: 5", "c.yaml:3: connectTimeout: give a duration"],
    ["profiles:\n  - a", "c.yaml:2: profiles must be"],
    ["profiles: {a: {protected: perhaps}}", "c.yaml:1: protected: give true or false"],
    ["dlqTemplate: dead", "c.yaml:1: dlqTemplate: give a name with {stream} in it"],
    ["host:", "c.yaml:1: host: give a value"],
    ["host: {a: 1}", "c.yaml:1: host: give a value"],
    ["a: [", "c.yaml:"],
    ["just text", "c.yaml:1: the file must be"],
    ["port: 1\nport: 2", "c.yaml:2: Map keys must be unique"],
  ])("%j is refused with its line", (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test("a number keeps its source text, so that it means what it would as a flag", () => {
    expect(read("user: 007\nmaster: 1e3").values).toEqual(
      new Map([
        ["user", "007"],
        ["master", "1e3"],
      ]),
    );
  });

  test("lists", () => {
    expect(read("sentinel: [a, 'b:1']").values.get("sentinel")).toEqual([
      { host: "a", port: 26_379 },
      { host: "b", port: 1 },
    ]);
    const file = read("defaults: {consume: {where: [a=1, b=2]}}");
    expect(file.defaults.get("consume")?.get("where")?.texts).toEqual(["a=1", "b=2"]);
  });

  test.each(["", "# nothing\n", "---\n"])("%j says nothing", (text) => {
    expect(read(text).values.size).toBe(0);
  });

  test("the starter file changes nothing, and is valid with its settings taken out of the comments", () => {
    expect(read(STARTER).values.size).toBe(0);
    const [, ...paragraphs] = STARTER.split("\n\n");
    const settings = paragraphs
      .join("\n")
      .split("\n")
      .map((line) => line.replace(/^# /, ""))
      .filter((line) => /^ *[\w -]+:( |$)/.test(line));
    const file = read(settings.join("\n"));
    expect([...file.profiles.keys()]).toEqual(["local", "staging", "production", "reporting"]);
    expect(file.profiles.get("reporting")?.readOnly).toBe(true);
    expect(file.defaults.get("consume")?.get("claim-idle")?.texts).toEqual(["30s"]);
  });
});
