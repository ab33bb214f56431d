import { type EdgeModule, startEdge } from "../../edgehub/index.ts";

/**
 * An edge agent in a process of its own, with a device beside it: the parent process. It sends
 * `{ event: n }`; the agent answers `{ accepted: n }` once event n is on its disk, and tells each change of a
 * resource as `{ key, version }`. Messages of group `user` are handed to the parent as `{ down: content }` and
 * count as done when it has them. The last argument: more options of `hub`, JSON.
 */
const [dataDir = "", server = "", join = "", token = "", hub = "{}"] = process.argv.slice(2);

const recorder: EdgeModule = {
  name: "recorder",
  groups: ["user"],
  start: () => Promise.resolve(),
  handle: (message) =>
    new Promise((resolve, reject) => {
      const down: unknown = JSON.parse(new TextDecoder().decode(message.content));
      process.send?.({ down }, undefined, undefined, (error) => (error ? reject(error) : resolve()));
    }),
  stop: () => Promise.resolve(),
};
const edge = await startEdge(
  {
    node: "edge-1",
    dataDir,
    logLevel: "info",
    hub: { server, join, token, reconnectMinMs: 50, reconnectMaxMs: 500, ...JSON.parse(hub) },
    eventBus: { enable: false },
  },
  { modules: [() => recorder] },
);
edge.store.onChange(({ key, message }) => process.send?.({ key, version: message.resourceVersion }));

process.on("message", (message: { event?: number; report?: true }) => {
  if (message.report) {
    const resources = edge.store.meta.list().map(({ key, version }) => [key, version]);
    process.send?.({ resources, outbox: edge.status().outbox.messages });
    return;
  }
  const { event } = message;
  if (event === undefined) return;
  edge
    .publish({
      id: `event-${event}`,
      source: "bus",
      group: "user",
      operation: "upload",
      resource: "device/events",
      content: event,
    })
    .then(
      () => process.send?.({ accepted: event }),
      (error: unknown) => process.stderr.write(`event ${event} was not accepted: ${error}\n`),
    );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });
