import { access, constants } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { systemClock } from "../../../platform/clock.ts";
import { asHubError } from "../../../protocol/index.ts";
import { viewRuntime } from "../../edged/outside.ts";
import { parseBrokerUrl } from "../../eventbus/broker-url.ts";
import type { EdgeOptions } from "../../options.ts";
import { type Check, failed, ok, type Verdict } from "./verdict.ts";

/** What the agent works with on this machine: the container runtime, and ports. */

export const runtimeCheck: Check = {
  name: "runtime",
  async run({ options: { edged, node }, place, identity }) {
    if (!edged.enable) return undefined;
    const runtime = await viewRuntime(edged, {
      root: place.edged,
      node: identity?.node ?? node,
      clock: systemClock,
    });
    try {
      return ok(await runtime.version());
    } catch (error) {
      return await runtimeFailure(error, edged.remoteRuntimeEndpoint);
    } finally {
      await runtime.close();
    }
  },
};

async function runtimeFailure(error: unknown, endpoint: string): Promise<Verdict> {
  const { message } = asHubError(error);
  const socket = endpoint.replace(/^unix:(\/\/)?/, "");
  try {
    await access(socket, constants.R_OK | constants.W_OK);
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code !== "ENOENT";
    if (isThere)
      return failed(
        `${socket} may not be used by this user`,
        "run this, and the agent, as root or as a user of its group",
      );
    return failed(
      `there is no ${socket}`,
      "start containerd (systemctl status containerd), or set edged.remoteRuntimeEndpoint to the runtime's socket",
    );
  }
  return failed(
    message,
    "see the runtime's log: journalctl -u containerd; it must have its CRI plugin (disabled_plugins in its config.toml)",
  );
}

/** An address at which the agent listens. */
interface Port {
  readonly field: string;
  readonly host: string;
  readonly port: number;
  /** True: the agent listens there only while the cloud has rules for it. */
  readonly isOnDemand?: true;
}

function portsOf({ eventBus, serviceBus, metaServer }: EdgeOptions): Port[] {
  const ports: Port[] = [];
  if (eventBus.enable && eventBus.mqttMode !== "external")
    ports.push({
      field: "eventBus.mqttServerInternal",
      ...parseBrokerUrl(eventBus.mqttServerInternal, "eventBus.mqttServerInternal"),
    });
  if (serviceBus.enable)
    ports.push({
      field: "serviceBus.port",
      host: serviceBus.server,
      port: serviceBus.port,
      isOnDemand: true,
    });
  if (metaServer.enable)
    ports.push({ field: "metaServer.port", host: metaServer.server, port: metaServer.port });
  // 0 is a free one, which only the agent knows.
  return ports.filter(({ port }) => port !== 0);
}

/** While the agent runs it listens at its ports, at some only on demand; else nobody else does. */
export const portsCheck: Check = {
  name: "ports",
  async run({ options, isRunning }) {
    const ports = portsOf(options).filter(({ isOnDemand }) => !isRunning || !isOnDemand);
    if (ports.length === 0 || isRunning === undefined) return undefined;
    const names = ports.map(({ host, port }) => `${host}:${port}`).join(", ");
    for (const port of ports) {
      const problem = isRunning ? await silence(port) : await occupation(port);
      if (problem) return problem;
    }
    return ok(isRunning ? `the agent listens at ${names}` : `${names} are free for the agent`);
  },
};

function silence({ field, host, port }: Port): Promise<Verdict | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", ({ message }) =>
      resolve(
        failed(
          `the agent runs, but nothing listens at ${host}:${port}: ${message}`,
          `see the agent's log; it must run with the ${field} that is given here`,
        ),
      ),
    );
  });
}

function occupation({ field, host, port }: Port): Promise<Verdict | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("listening", () => server.close(() => resolve(undefined)));
    server.once("error", ({ code, message }: NodeJS.ErrnoException) =>
      resolve(occupied({ field, host, port }, code, message)),
    );
    server.listen({ host, port });
  });
}

function occupied({ field, host, port }: Port, code: string | undefined, message: string): Verdict {
  if (code === "EADDRINUSE")
    return failed(
      `${host}:${port} is taken by another program`,
      `see which: ss -ltnp 'sport = :${port}'; stop it, or set ${field}`,
    );
  if (code === "EADDRNOTAVAIL")
    return failed(`this machine does not have the address ${host}`, `set ${field}`);
  if (code === "EACCES")
    return failed(
      `this user may not listen at port ${port}`,
      `set ${field} to a port above 1023, or run the agent as root`,
    );
  return failed(`${host}:${port}: ${message}`, `set ${field}`);
}
