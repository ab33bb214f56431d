import { describe, expect, it } from "vitest";
import type { Agent } from "../../edgehub/agent.ts";
import type { EdgeModule } from "../../edgehub/dispatcher.ts";
import { Supervisor } from "../../edgehub/supervisor.ts";
import { silentLogger } from "../../platform/logger.ts";
import { aMessage } from "../protocol/messages.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A module that notes what is done with it. */
class Noting {
  readonly notes: string[] = [];
  readonly clock = new FakeClock();
  failStarts = 0;
  fail: (error: unknown) => void = () => {};
  made = 0;
  readonly agent = {
    clock: this.clock,
    log: silentLogger,
    random: () => 1,
    connected: true,
  } as unknown as Agent;

  readonly factory = (_agent: Agent, failed: (error: unknown) => void): EdgeModule => {
    const number = ++this.made;
    this.fail = failed;
    return {
      name: "noting",
      groups: ["user"],
      start: () => {
        this.notes.push(`start ${number}`);
        return this.failStarts-- > 0 ? Promise.reject(new Error("no")) : Promise.resolve();
      },
      handle: () => Promise.resolve(void this.notes.push(`handle ${number}`)),
      connection: (connected) => void this.notes.push(`connected ${number} ${connected}`),
      stop: () => Promise.resolve(void this.notes.push(`stop ${number}`)),
    };
  };
}

describe("a supervised module", () => {
  it("is started again after growing pauses when it cannot start, and the agent starts all the same", async () => {
    const noting = new Noting();
    noting.failStarts = 2;
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    await expect(supervisor.handle(aMessage(), "store")).rejects.toMatchObject({
      code: "E_NO_MODULE",
      retryable: true,
    });
    await noting.clock.advance(1_000);
    await noting.clock.advance(1_999);
    expect(noting.notes).toEqual(["start 1", "start 2"]);
    await noting.clock.advance(1);
    await supervisor.handle(aMessage(), "store");
    expect(noting.notes.slice(2)).toEqual(["start 3", "connected 3 true", "handle 3"]);
  });

  it("is stopped and made anew when it fails", async () => {
    const noting = new Noting();
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    noting.fail(new Error("lost the broker"));
    await expect(supervisor.handle(aMessage(), "store")).rejects.toMatchObject({ retryable: true });
    await noting.clock.advance(1_000);
    expect(noting.notes).toEqual(["start 1", "connected 1 true", "stop 1", "start 2", "connected 2 true"]);
  });

  it("stays down once it is stopped", async () => {
    const noting = new Noting();
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    await supervisor.stop(new AbortController().signal);
    noting.fail(new Error("too late"));
    await noting.clock.advance(100_000);
    expect(noting.notes).toEqual(["start 1", "connected 1 true", "stop 1"]);
  });
});
