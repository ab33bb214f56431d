import { randomUUID } from "node:crypto";

/** What a stock edge says: keepalives, and a response to whatever it is sent. Source: KubeEdge wire protocol §4, §5. */
export class KubeEdgeVoice {
  /** As an edgecore's default heartbeat. */
  readonly keepaliveMs = 15_000;

  keepalive(): Buffer {
    const route = { source: "websocket", group: "resource", operation: "keepalive", resource: "node" };
    return textOf({}, route, "ping");
  }

  /** @param payload One message of the hub. @returns One answer, or none for what is no JSON. */
  answersTo(payload: Buffer): Buffer[] {
    try {
      const { header, route } = JSON.parse(payload.toString()) as {
        header: { msg_id: string };
        route: { source: string; group: string; resource: string };
      };
      return [textOf({ parent_msg_id: header.msg_id }, { ...route, operation: "response" }, "OK")];
    } catch {
      return [];
    }
  }
}

function textOf(header: object, route: object, content: string): Buffer {
  const full = { msg_id: randomUUID(), ...header, timestamp: Date.now() };
  return Buffer.from(`${JSON.stringify({ header: full, route, content })}\n`);
}
