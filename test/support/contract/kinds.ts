/** A JSON Schema, or a part of one. */
export type Schema = Readonly<Record<string, unknown>>;

/** A field of an object that programs read. */
export interface Field {
  readonly schema: Schema;
  /** It is left out otherwise; undefined: it is always there. */
  readonly only?: string;
}

export function text(description: string): Field {
  return { schema: { type: "string", description } };
}

/** One of these and never anything else. */
export function oneOf(description: string, values: readonly string[]): Field {
  return { schema: { type: "string", enum: values, description } };
}

/** One of these today; later versions may have more, so readers must take any. */
export function someOf(description: string, examples: readonly string[]): Field {
  return { schema: { type: "string", description: `${description}; others may come`, examples } };
}

export function id(description: string): Field {
  return { schema: { type: "string", pattern: String.raw`^\d+-\d+$`, description } };
}

/** What stands for an entry before it is added and has an ID. */
export function scheduledId(description: string): Field {
  return { schema: { type: "string", pattern: String.raw`^scheduled:\d{16,}$`, description } };
}

/** How far a time is from now: less than 0 is ago. */
export function fromNow(description: string): Field {
  return { schema: { type: "integer", description: `${description}, in milliseconds` } };
}

export function time(description: string): Field {
  const pattern = String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`;
  return { schema: { type: "string", format: "date-time", pattern, description } };
}

/** How many; `unit` when it is neither entries nor what the name says. */
export function count(description: string): Field {
  return { schema: { type: "integer", minimum: 0, description } };
}

export function milliseconds(description: string): Field {
  return { schema: { type: "integer", minimum: 0, description: `${description}, in milliseconds` } };
}

export function number(description: string): Field {
  return { schema: { type: "number", minimum: 0, description } };
}

export function yesNo(description: string): Field {
  return { schema: { type: "boolean", description } };
}

/** A byte string: text where it is UTF-8. */
export function byteString(description: string): Field {
  return { schema: { $ref: "#/$defs/value", description } };
}

export function entryFields(description: string): Field {
  return { schema: { $ref: "#/$defs/fields", description } };
}

export function anyOf(description: string, ...types: readonly string[]): Field {
  return { schema: { type: types, description } };
}

export function list(description: string, items: Schema): Field {
  return { schema: { type: "array", items, description } };
}

/** Ranges of lines, each the first and the last. */
export function lineRanges(description: string): Field {
  const line = { type: "integer", minimum: 1 };
  return list(description, { type: "array", items: line, minItems: 2, maxItems: 2 });
}

/** … or null, and what that means. */
export function orNull({ schema, ...more }: Field, meaning: string): Field {
  const { type, $ref, description, ...rules } = schema;
  const told = `${String(description)}; null: ${meaning}`;
  return {
    ...more,
    schema:
      $ref === undefined
        ? { type: [type, "null"].flat(), ...rules, description: told }
        : { anyOf: [{ $ref }, { type: "null" }], description: told },
  };
}

/** `only`: when the field is there, as the end of "… only". */
export function only(when: string, field: Field): Field {
  return { ...field, only: when };
}

/** An object of these fields, in their order. */
export function object(fields: Readonly<Record<string, Field>>): Schema {
  const all = Object.entries(fields);
  return {
    type: "object",
    properties: Object.fromEntries(
      all.map(([name, { schema, only: when }]) => [
        name,
        when === undefined
          ? schema
          : { ...schema, description: `${String(schema["description"])}; only ${when}` },
      ]),
    ),
    required: all.filter(([, field]) => field.only === undefined).map(([name]) => name),
  };
}

/** What `$ref`s of fields name: byte strings, and the two forms of an entry's fields. */
export const DEFINITIONS = {
  value: {
    description: "bytes: text where they are UTF-8, else base64",
    anyOf: [
      { type: "string" },
      {
        type: "object",
        properties: {
          base64: { type: "string", contentEncoding: "base64", pattern: "^[A-Za-z0-9+/]*={0,2}$" },
        },
        required: ["base64"],
      },
    ],
  },
  fields: {
    description: "names and values; pairs where a name is repeated or is not UTF-8",
    anyOf: [
      { type: "object", additionalProperties: { $ref: "#/$defs/value" } },
      {
        type: "array",
        items: {
          type: "array",
          prefixItems: [{ $ref: "#/$defs/value" }, { $ref: "#/$defs/value" }],
          items: false,
          minItems: 2,
        },
      },
    ],
  },
} as const;
