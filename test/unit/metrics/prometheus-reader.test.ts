import { expect, test } from "vitest";
import { Exposition } from "../../support/prometheus.ts";

const HEAD = "# HELP a_total x\n# TYPE a_total counter\n";

test("reads what is right", () => {
  const text = new Exposition(
    `${HEAD}a_total{s="q\\"\\\\\\n,}"} 1e3\n\n# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 3\nh_count 2\n`,
  );
  expect(text.value("a_total", { s: 'q"\\\n,}' })).toBe(1000);
  expect(text.value("h_count")).toBe(2);
});

test.each([
  ["no line end", `${HEAD}a_total 1`],
  ["a sample without HELP and TYPE", "b 1\n"],
  ["a sample twice", `${HEAD}a_total{x="1"} 1\na_total{x="1"} 2\n`],
  ["a label that is not escaped", `${HEAD}a_total{x="a"b"} 1\n`],
  ["an unknown escape", `${HEAD}a_total{x="\\t"} 1\n`],
  ["a comma at the end", `${HEAD}a_total{x="1",} 1\n`],
  ["a label twice", `${HEAD}a_total{x="1",x="2"} 1\n`],
  ["no number", `${HEAD}a_total undefined\n`],
  ["a counter without _total", "# HELP a x\n# TYPE a counter\na 1\n"],
  ["families mixed", `${HEAD}# HELP b x\n# TYPE b gauge\nb 1\na_total 1\n`],
  ["a TYPE after its samples", `${HEAD}a_total 1\n# TYPE a_total counter\n`],
  [
    "a histogram whose buckets fall",
    `# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 3\nh_count 1\n`,
  ],
])("refuses %s", (_, text) => {
  expect(() => new Exposition(text)).toThrow();
});
