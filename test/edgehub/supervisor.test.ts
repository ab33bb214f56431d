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
  making: () => void = () => {};
  starting: () => Promise<void> = () => Promise.resolve();
  handling: () => Promise<void> = () => Promise.resolve();
  connecting: () => void = () => {};
  stopping: () => Promise<void> = () => Promise.resolve();
  readonly agent = {
    clock: this.clock,
    log: silentLogger,
    random: () => 1,
    connected: true,
  } as unknown as Agent;

  readonly factory = (_agent: Agent, failed: (error: unknown) => void): EdgeModule => {
    this.making();
    const number = ++this.made;
    this.fail = failed;
    return {
      name: "noting",
      groups: ["user"],
      start: () => {
        this.notes.push(`start ${number}`);
        return this.failStarts-- > 0 ? Promise.reject(new Error("no")) : this.starting();
      },
      handle: () => {
        this.notes.push(`handle ${number}`);
        return this.handling();
      },
      connection: (connected) => {
        this.connecting();
        this.notes.push(`connected ${number} ${connected}`);
      },
      stop: () => {
        this.notes.push(`stop ${number}`);
        return this.stopping();
      },
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
    // What it had begun when it failed is ended.
    expect(noting.notes).toEqual(["start 1", "stop 1", "start 2", "stop 2"]);
    await noting.clock.advance(1);
    await supervisor.handle(aMessage(), "store");
    expect(noting.notes.slice(4)).toEqual(["start 3", "connected 3 true", "handle 3"]);
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

  it("is made anew when it fails while it starts", async () => {
    const noting = new Noting();
    noting.starting = () => Promise.resolve(noting.fail(new Error("the socket closed")));
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    expect(noting.notes).toEqual(["start 1", "stop 1"]);
    noting.starting = () => Promise.resolve();
    await noting.clock.advance(1_000);
    expect(noting.notes.slice(2)).toEqual(["start 2", "connected 2 true"]);
  });

  it("is tried again when it cannot even be made", async () => {
    const noting = new Noting();
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    noting.making = () => {
      noting.making = () => {};
      throw new Error("no memory");
    };
    noting.fail(new Error("lost the broker"));
    await noting.clock.advance(1_000);
    expect(noting.notes).toEqual(["start 1", "connected 1 true", "stop 1"]);
    await noting.clock.advance(2_000);
    expect(noting.notes.slice(3)).toEqual(["start 2", "connected 2 true"]);
  });

  it("fails when it throws at a change of the link, and takes nobody with it", async () => {
    const noting = new Noting();
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    noting.connecting = () => {
      noting.connecting = () => {};
      throw new Error("cannot bear it");
    };
    supervisor.connection(false);
    await noting.clock.advance(1_000);
    expect(noting.notes).toEqual(["start 1", "connected 1 true", "stop 1", "start 2", "connected 2 true"]);
  });

  it("gives back what it will never answer when it fails", async () => {
    const noting = new Noting();
    noting.handling = () => new Promise(() => {});
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    const handled = supervisor.handle(aMessage(), "store");
    noting.fail(new Error("lost the broker"));
    await expect(handled).rejects.toMatchObject({ code: "E_NO_MODULE", retryable: true });
  });

  it("does not hold the agent up when its start or its end hangs", async () => {
    const noting = new Noting();
    noting.starting = () => new Promise(() => {});
    const supervisor = new Supervisor(noting.agent, noting.factory);
    const started = supervisor.start();
    await noting.clock.advance(10_000);
    await started;
    const deadline = new AbortController();
    const stopped = supervisor.stop(deadline.signal);
    deadline.abort();
    await stopped;
    expect(noting.notes).toEqual(["start 1"]);
  });

  it("is made anew though its end hangs, or fails", async () => {
    const noting = new Noting();
    const supervisor = new Supervisor(noting.agent, noting.factory);
    await supervisor.start();
    noting.stopping = () => new Promise(() => {});
    noting.fail(new Error("lost the broker"));
    await noting.clock.advance(5_000);
    noting.stopping = () => Promise.reject(new Error("cannot end"));
    noting.fail(new Error("lost it again"));
    await noting.clock.advance(5_000);
    expect(noting.notes.filter((note) => !note.startsWith("connected"))).toEqual([
      ...["start 1", "stop 1", "start 2", "stop 2", "start 3"],
    ]);
    await supervisor.stop(new AbortController().signal);
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
