import type { Context } from "../../context.ts";
import { forgetAllMarks, forgetMark } from "../../engine/dedupe/marks.ts";
import { writeOnce } from "../../engine/write-once.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode, UsageError } from "../../errors.ts";
import { formatCount } from "../../units.ts";
import { Rejects } from "../id-arguments.ts";
import type { ForgetFlags } from "./forget.ts";

export async function run(
  context: Context,
  [stream, keys]: readonly [StreamKey, string[]],
  { group, all, emit }: ForgetFlags,
): Promise<number | undefined> {
  if (!all && keys.length === 0) throw new UsageError("which keys? Give values of the field, or --all");
  await context.mustBeWritable();
  if (all)
    await context.confirm(
      `Forget every success of ${group} on ${stream}? Entries with these keys run again.`,
    );
  const connection = await context.connect();
  const target = { stream, group };
  const rejects = new Rejects(context);
  let count = 0;
  try {
    await writeOnce(`forgetting successes of ${stream}`, "running it again is safe", async () => {
      if (all) count = await forgetAllMarks(connection, target, { emit, signal: context.stop });
      for (const key of new Set(keys)) {
        if (context.stop.aborted) return;
        if (await forgetMark(connection, target, key, emit)) count++;
        else rejects.add(`${key} is not remembered`);
      }
    });
  } finally {
    rejects.finish();
    if (count > 0 || all) context.log.info(`forgot ${formatCount(count, "key")}`);
  }
  if (context.stop.aborted) return undefined;
  if (rejects.count === 0) return ExitCode.ok;
  return count > 0 ? ExitCode.partial : ExitCode.notFound;
}
