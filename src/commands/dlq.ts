import type { Command } from "commander";
import type { Act } from "../program.ts";
import { defineDlqList } from "./dlq-list.ts";
import { defineDlqPurge } from "./dlq-purge.ts";
import { defineDlqReplay } from "./dlq-replay.ts";
import { defineDlqShow } from "./dlq-show.ts";

export function defineDlq(program: Command, act: Act): void {
  const dlq = program.command("dlq").description("look at and repair what was dead-lettered");
  defineDlqList(dlq, act);
  defineDlqShow(dlq, act);
  defineDlqReplay(dlq, act);
  defineDlqPurge(dlq, act);
}
