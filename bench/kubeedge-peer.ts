import { randomUUID } from "node:crypto";
import { WebSocket } from "ws";
import { issueFleet } from "./fleet/identities.ts";

/** Speaks KubeEdge's dialect as an edge does and acks whatever comes, at once. */
process.on(
  "message",
  ({ hubDataDir, port }: { hubDataDir: string; port: number }) => void connect(hubDataDir, port),
);
process.on("disconnect", () => process.exit(0));

async function connect(hubDataDir: string, port: number): Promise<void> {
  const { ca, key, nodes } = await issueFleet(hubDataDir, 1);
  const [{ node, cert }] = nodes as [(typeof nodes)[number]];
  const headers = { Node_id: node, Project_id: "bench", ConnectionUse: "msg" };
  const socket = new WebSocket(`wss://127.0.0.1:${port}/bench/${node}/events`, { ca, key, cert, headers });
  const send = (header: object, route: object, content: unknown): void => {
    socket.send(
      `${JSON.stringify({ header: { msg_id: randomUUID(), ...header, timestamp: Date.now() }, route, content })}\n`,
    );
  };
  const keepalive = (): void =>
    send({}, { source: "websocket", group: "resource", operation: "keepalive", resource: "node" }, "ping");
  socket.on("open", () => {
    keepalive();
    setInterval(keepalive, 15_000);
    process.send?.({ connected: true });
  });
  socket.on("message", (data) => {
    const { header, route } = JSON.parse(String(data)) as {
      header: { msg_id: string };
      route: { source: string; group: string; resource: string };
    };
    send({ parent_msg_id: header.msg_id }, { ...route, operation: "response" }, "OK");
  });
}
