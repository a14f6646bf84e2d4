import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allCommands } from "../../src/commands/tree.ts";
import { buildProgram } from "../../src/program.ts";
import { Bench, CASES, WITHOUT_SERVER } from "../support/topologies/cases.ts";
import { type Place, PLACES } from "../support/topologies/places.ts";

test("every command has a case", async () => {
  const program = await buildProgram(() => () => Promise.resolve());
  const commands = [...allCommands(program)].filter(([, { commands: below }]) => below.length === 0);
  const known = [...Object.keys(CASES), ...WITHOUT_SERVER];
  expect(known.sort()).toEqual(commands.map(([path]) => path).sort());
});

describe.each(Object.keys(PLACES))("%s", (name) => {
  let place: Place;

  beforeAll(async () => {
    place = await (PLACES[name] as () => Promise<Place>)();
  });
  afterAll(() => place.stop());

  test.each(Object.keys(CASES))("%s", async (command) => {
    await CASES[command]?.(new Bench(place.env));
  });
});
