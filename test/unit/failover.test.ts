import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Failover } from "../../src/redis/failover.ts";

const OLD = "10.0.0.1:6379";
const NEW = "10.0.0.2:6379";

describe("a failover as Sentinel tells of it", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const begin = (failover: Failover, name = "master"): void =>
    failover.heard("+try-failover", `master ${name} 10.0.0.1 6379`);

  test("nothing goes to the old master from its beginning on, and to the new one once it is promoted", () => {
    const failover = new Failover("master", () => OLD);
    expect(failover.forbids(OLD)).toBe(false);
    begin(failover);
    expect([failover.forbids(OLD), failover.forbids(NEW), failover.forbids(undefined)]).toEqual([
      true,
      true,
      true,
    ]);
    expect(failover.isOld(OLD)).toBe(false);
    failover.heard("+promoted-slave", "slave 10.0.0.2:6379 10.0.0.2 6379 @ master 10.0.0.1 6379");
    expect([failover.forbids(OLD), failover.forbids(NEW), failover.isOld(OLD)]).toEqual([true, false, true]);
    failover.heard("+switch-master", "master 10.0.0.1 6379 10.0.0.2 6379");
    vi.advanceTimersByTime(4_900);
    expect(failover.forbids(OLD), "while a Sentinel may still name it").toBe(true);
    vi.advanceTimersByTime(200);
    expect(failover.forbids(OLD), "it may be the master again").toBe(false);
  });

  test("one that is given up, or comes to nothing, holds nothing up", () => {
    const failover = new Failover("orders", () => OLD);
    begin(failover, "orders");
    failover.heard("-failover-abort-no-good-slave", "master orders 10.0.0.1 6379");
    expect(failover.forbids(OLD)).toBe(false);
    begin(failover, "orders");
    vi.advanceTimersByTime(10_100);
    expect(failover.forbids(OLD)).toBe(false);
  });

  test("that of another master is none", () => {
    const failover = new Failover("orders", () => OLD);
    begin(failover, "billing");
    failover.heard("+switch-master", "billing 10.0.0.1 6379 10.0.0.2 6379");
    expect(failover.forbids(OLD)).toBe(false);
  });
});
