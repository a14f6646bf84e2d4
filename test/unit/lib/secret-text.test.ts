import { describe, expect, it } from "vitest";
import { withoutPasswords } from "../../../src/lib/secret-text.ts";

describe("passwords in messages", () => {
  it.each([
    ["redis://:pw@h", "redis://:***@h"],
    ["no such stream: redis://:pa ss'\"w@rd@h: see ls", "no such stream: redis://:***@h: see ls"],
    ["redis://u:p w@one is not rediss://v:q w@two", "redis://u:***@one is not rediss://v:***@two"],
    ["can't read /home/me/redis:/:p w@h", "can't read /home/me/redis:/:***@h"],
    ["http://api:8080/x said 500 to bob@example.com", "http://api:8080/x said 500 to bob@example.com"],
    ["https://u:pw@h/x", "https://u:***@h/x"],
  ])("%s: none is left, and nothing else goes", (text, masked) => {
    expect(withoutPasswords(text)).toBe(masked);
  });
});
