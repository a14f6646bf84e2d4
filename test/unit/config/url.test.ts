import { describe, expect, test } from "vitest";
import { parseRedisUrl } from "../../../src/config/url.ts";

describe("a URL", () => {
  test.each([
    ["redis://h", { host: "h", port: 6379, tls: false }],
    ["redis://h:7000/3", { host: "h", port: 7000, db: 3, tls: false }],
    ["redis://h:7000/", { host: "h", port: 7000, tls: false }],
    ["rediss://h:6380", { host: "h", port: 6380, tls: true }],
    ["REDIS://h", { host: "h", port: 6379, tls: false }],
    ["redis://[::1]:7000/1", { host: "::1", port: 7000, db: 1, tls: false }],
    ["redis://:pw@h", { host: "h", port: 6379, tls: false, password: "pw" }],
    ["redis://me@h", { host: "h", port: 6379, tls: false, user: "me" }],
    [
      "redis://a%40b:p%2Fw%25%23%C3%BC@h",
      { host: "h", port: 6379, tls: false, user: "a@b", password: "p/w%#ü" },
    ],
    ["redis://h?db=4&family=0", { host: "h", port: 6379, db: 4, tls: false }],
    ["unix:///run/redis%20a.sock?db=2", { path: "/run/redis a.sock", db: 2 }],
    ["unix://me:pw@/run/redis.sock", { path: "/run/redis.sock", user: "me", password: "pw" }],
  ])("%s", (url, parts) => {
    expect(parseRedisUrl(url, "--url")).toEqual(parts);
  });

  test.each([
    ["127.0.0.1:6379", /not a Redis URL/],
    ["http://h", /not a Redis URL/],
    ["redis://h:99999", /can't be read/],
    ["redis://:hunter#2@h", /can't be read/],
    ["redis://:hunter2%zz@h", /%/],
    ["redis://:hunter2@h/orders", /not a database number/],
    ["unix://run/redis.sock", /no socket path/],
  ])("%s is refused without repeating its password", (url, message) => {
    expect(() => parseRedisUrl(url, "env REDIS_URL")).toThrow(message);
    try {
      parseRedisUrl(url, "env REDIS_URL");
    } catch (error) {
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("hunter");
      expect((error as Error).message).toContain("env REDIS_URL");
    }
  });
});
