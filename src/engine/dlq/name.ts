import { type StreamKey, streamKey } from "../../entry/names.ts";
import { keySlot, siblingKey } from "../../redis/keys.ts";

export interface DlqNaming {
  readonly cluster: boolean;
  /** The configured name, where `{stream}` stands for the stream's. */
  readonly template?: string | undefined;
  /** `--dlq KEY`: wins over everything. */
  readonly explicit?: string | undefined;
}

/**
 * The dead-letter queue of a stream: `orders:dlq` unless configured otherwise. In a cluster it is the key
 * of that name in the stream's own slot (`{orders}:dlq`), so that dead-lettering is one step, wherever
 * the name allows that.
 */
export function dlqKey(stream: StreamKey, naming: DlqNaming): StreamKey {
  const { cluster, template, explicit } = naming;
  if (explicit !== undefined) return streamKey(explicit);
  if (template === undefined) return streamKey(siblingKey(stream, ":dlq", cluster));
  const plain = template.replaceAll("{stream}", () => stream);
  if (!cluster || keySlot(plain) === keySlot(stream)) return streamKey(plain);
  const tagged = template.replaceAll("{stream}", () => `{${stream}}`);
  return streamKey(keySlot(tagged) === keySlot(stream) ? tagged : plain);
}

/** Whether a key, or a pattern of keys, has a name that dlqKey gives to queues. */
export function looksLikeQueue(key: string, template: string = "{stream}:dlq"): boolean {
  const at = template.indexOf("{stream}");
  if (at < 0) return key === template;
  const before = template.slice(0, at);
  const after = template.slice(at + "{stream}".length);
  return before + after !== "" && key.startsWith(before) && key.endsWith(after);
}
