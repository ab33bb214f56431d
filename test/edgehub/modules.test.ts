import { createServer } from "node:net";
import { expect, it, onTestFinished, test } from "vitest";
import type { Agent } from "../../edgehub/agent.ts";
import type { EdgeModule } from "../../edgehub/dispatcher.ts";
import { EdgeHub } from "../../edgehub/edge-hub.ts";
import { modulesOf } from "../../edgehub/modules.ts";
import { type EdgeOptions, edgeSchema } from "../../edgehub/options.ts";
import { type ModuleFactory, Supervisor } from "../../edgehub/supervisor.ts";
import { systemClock } from "../../platform/clock.ts";
import { checkOptions } from "../../platform/config.ts";
import { silentLogger } from "../../platform/logger.ts";
import { aMessage } from "../protocol/messages.ts";
import { freePort } from "../support/free-port.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { TestAgent, until } from "./test-agent.ts";

const names = ["devicetwin", "eventbus", "servicebus", "metaserver", "edged", "podlogs"] as const;
type Name = (typeof names)[number];

/** Options with all modules, on free ports. */
function allModules(ports: { readonly eventBus?: number; readonly metaServer?: number } = {}): EdgeOptions {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return checkOptions(edgeSchema, {
    dataDir: path,
    deviceTwin: { enable: true },
    eventBus: { enable: true, mqttServerInternal: `tcp://127.0.0.1:${ports.eventBus ?? 0}` },
    serviceBus: { enable: true, port: 0 },
    metaServer: { enable: true, port: ports.metaServer ?? 0 },
    edged: { enable: true, runtime: "process" },
  });
}

/** All modules under supervision, each with what a test did to it. */
async function running(options: EdgeOptions, change: (module: EdgeModule) => void = () => {}) {
  const agent = new TestAgent();
  const fail = new Map<string, (error: unknown) => void>();
  const made: string[] = [];
  const watched = (factory: ModuleFactory) => (of: Agent, failed: (error: unknown) => void) => {
    const module = factory(of, failed);
    made.push(module.name);
    fail.set(module.name, failed);
    change(module);
    return module;
  };
  const supervisors = (await modulesOf(options)).map((factory) => new Supervisor(agent, watched(factory)));
  expect(supervisors.map(({ name }) => name)).toEqual(names);
  for (const one of supervisors) await one.start();
  onTestFinished(async () => {
    for (const one of supervisors.reverse()) await one.stop(AbortSignal.timeout(5_000));
    agent.store.close();
  });
  /** Names of those that take messages. */
  const up = async (): Promise<string[]> => {
    const asked = supervisors.map(async (one) => {
      const message = aMessage({ group: "resource", operation: "response", resource: "default/nonsense/x" });
      const error: unknown = await one.handle(message, "store").catch((cause: unknown) => cause);
      return String(error).includes("is down at the moment") ? [] : [one.name];
    });
    return (await Promise.all(asked)).flat();
  };
  return { agent, fail, made, up };
}

const without = (name: Name): string[] => names.filter((one) => one !== name);

test.each(names)("when %s fails, the others go on and it comes back", async (name) => {
  const { agent, fail, made, up } = await running(allModules());
  expect(await up()).toEqual(names);
  fail.get(name)?.(new Error("lost it"));
  expect(await up()).toEqual(without(name));
  await agent.clock.advance(1_000);
  await until("it is back", () => made.length === names.length + 1);
  await expect.poll(up).toEqual(names);
  expect(made.slice(names.length)).toEqual([name]);
});

test.each(names)("when %s fails at the end of its start, it gives back what it had taken", async (name) => {
  let broken = true;
  const ports = { eventBus: await freePort(), metaServer: await freePort() };
  const { agent, up } = await running(allModules(ports), (module) => {
    if (module.name !== name) return;
    const start = module.start.bind(module);
    module.start = async () => {
      await start();
      if (broken) throw new Error("not today");
    };
  });
  expect(await up()).toEqual(without(name));
  broken = false;
  await agent.clock.advance(1_000);
  // On the same ports.
  await expect.poll(up).toEqual(names);
});

test.each(names)("when %s throws at a message, that is refused and all go on", async (name) => {
  const { up, made } = await running(allModules(), (module) => {
    if (module.name !== name) return;
    module.handle = () => {
      throw new Error("never seen such a thing");
    };
  });
  expect(await up()).toEqual(names);
  expect(made).toEqual(names);
});

test.each([
  ["eventbus", "eventBus"],
  ["metaserver", "metaServer"],
] as const)("%s waits for its port, the others do not wait for it", async (name, field) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const { port } = taken.address() as { port: number };
  const { agent, up } = await running(allModules({ [field]: port }));
  expect(await up()).toEqual(without(name));
  await new Promise((resolve) => taken.close(resolve));
  await agent.clock.advance(1_000);
  await expect.poll(up).toEqual(names);
});

it("closes what it opened when a module cannot be made", () => {
  const options = allModules();
  const broken = (): EdgeModule => {
    throw new Error("cannot be made");
  };
  const parts = { clock: systemClock, log: silentLogger, random: Math.random, modules: [broken] };
  const withToken = { ...options, node: "edge-1", hub: { ...options.hub, token: "x" } };
  // The second one finds the directory free.
  for (const _ of [1, 2]) expect(() => new EdgeHub(withToken, parts)).toThrow("cannot be made");
});
