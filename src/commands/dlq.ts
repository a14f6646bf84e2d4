import type { Command } from "commander";
import type { Act } from "../program.ts";
import { defineDlqList } from "./dlq-list.ts";
import { defineDlqReplay } from "./dlq-replay.ts";

export function defineDlq(program: Command, act: Act): void {
  const dlq = program.command("dlq").description("look at and repair what was dead-lettered");
  defineDlqList(dlq, act);
  defineDlqReplay(dlq, act);
}
