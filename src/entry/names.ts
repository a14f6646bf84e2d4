declare const brand: unique symbol;

/** The key of a stream. Made only by streamKey, where a name comes in: flags, configuration, replies. */
export type StreamKey = string & { readonly [brand]: "StreamKey" };

/** The name of a consumer group. Made only by groupName. */
export type GroupName = string & { readonly [brand]: "GroupName" };

/** Every name is one of a key. */
export function streamKey(name: string): StreamKey {
  return name as StreamKey;
}

export function groupName(name: string): GroupName {
  return name as GroupName;
}
