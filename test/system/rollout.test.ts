import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { connectHub } from "../../sdk/index.ts";
import { HubProcess, Program, temporaryDirectory, until } from "../support/processes.ts";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

it("tells nodes that are current, silent and away apart, also after the hub's death", async () => {
  const { path, remove } = temporaryDirectory();
  open.push(remove);
  const hub = new HubProcess(join(path, "hub"));
  open.push(() => hub.stop());
  await hub.start();
  const client = await connectHub(hub.admin);
  open.push(() => client.close());
  const agent = async (node: string): Promise<Program> => {
    const { token } = await client.admin.createJoinToken({ ttlMs: 60_000, node });
    const options = {
      node,
      dataDir: join(path, node),
      "hub.server": `wss://127.0.0.1:${hub.ports.nodes}`,
      "hub.join": `https://127.0.0.1:${hub.ports.join}`,
      "hub.token": token,
      "eventBus.enable": "false",
    };
    const program = new Program(
      "edgehub/main.ts",
      Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    );
    open.push(() => program.kill());
    await until(`${node} is connected`, async () =>
      (await client.nodes()).some((one) => one.node === node && one.connected),
    );
    return program;
  };
  await agent("current");
  const silent = await agent("silent");
  const away = await agent("away");
  const publish = (resourceVersion: string) =>
    client.publishBatch(
      ["current", "silent", "away"].map((node) => ({
        node,
        resource: "default/configmap/limits",
        operation: "update",
        resourceVersion,
        content: { version: resourceVersion },
      })),
    );
  const rollout = () => client.rollout({ resource: "default/configmap/limits" });
  await publish("1");
  await until("all nodes have the first version", async () => (await rollout()).nodes.held === 3);

  await away.kill();
  process.kill(silent.pid, "SIGSTOP");
  await until("the hub knows who is away", async () => (await client.nodes()).some((one) => !one.connected));
  const before = Date.now();
  await publish("2");
  await until("it was sent to those who are connected", async () => {
    const { nodes } = await rollout();
    return nodes.held === 1 && nodes.sent === 1 && nodes.offline === 1;
  });
  const view = await rollout();
  expect(view).toMatchObject({
    accepted: { oldest: "2", newest: "2" },
    propagation: { nodes: 1, maxMs: expect.any(Number) },
  });
  const found = Object.fromEntries(view.slowest.map((one) => [one.node, one]));
  expect(found.silent).toMatchObject({ state: "sent", holds: "1", accepted: "2", sends: 1 });
  expect(found.away).toMatchObject({ state: "offline", holds: "1", backlogMessages: 1 });
  expect(found.away?.offlineSince).toBeLessThanOrEqual(before);
  expect(found.current).toMatchObject({ state: "held", holds: "2" });

  process.kill(silent.pid, "SIGCONT");
  await until("the silent one has it", async () => (await rollout()).nodes.held === 2);
  const took = (await rollout()).propagation;
  await hub.killAndRestart();
  expect(await rollout()).toMatchObject({ nodes: { held: 2 }, propagation: took });
});
