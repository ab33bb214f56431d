import { randomUUID } from "node:crypto";

/** A message as JSON on the wire; what is empty is left out, but for the id and the timestamp. */
export interface WireJson {
  readonly header: {
    readonly msg_id: string;
    readonly parent_msg_id?: string;
    readonly timestamp: number;
    readonly resourceversion?: string;
  };
  readonly route: {
    readonly source?: string;
    readonly group?: string;
    readonly operation?: string;
    readonly resource?: string;
  };
  readonly content: unknown;
}

/** The heartbeat. */
export function keepalive(): WireJson {
  const route = { source: "websocket", group: "resource", operation: "keepalive", resource: "node" };
  return { header: newHeader(), route, content: "ping" };
}

/** MetaManager's ack. */
export function ackOf({ header, route }: WireJson): WireJson {
  return {
    header: { ...newHeader(), parent_msg_id: header.msg_id },
    route: { ...route, operation: "response" },
    content: "OK",
  };
}

/** A header with a fresh id. */
export function newHeader(): WireJson["header"] {
  return { msg_id: randomUUID(), timestamp: Date.now() };
}
