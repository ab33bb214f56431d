/**
 * All operation words of the protocol. Source: KubeEdge's beehive, hub, edge, CSI, MetaServer, task and
 * transport constants, in the 1.15 and the current line; HTTP methods are those of ServiceBus targets.
 */
export const operations = [
  // Objects
  "insert",
  "update",
  "delete",
  "patch",
  "query",
  "response",
  "error",
  "upload",
  "unhold-upgrade",
  // Hub and edge modules
  "get",
  "get_result",
  "list",
  "detail",
  "delta",
  "document",
  "updated",
  "deleted",
  "connect",
  "connected",
  "disconnected",
  "keepalive",
  "subscribe",
  "unsubscribe",
  "message",
  "publish",
  "start",
  "stop",
  // CSI volumes
  "createvolume",
  "deletevolume",
  "controllerpublishvolume",
  "controllerunpublishvolume",
  // MetaServer; its requests carry the word `null`
  "applicationResponse",
  "null",
  // Node tasks
  "upgrade",
  "rollback",
  "backup",
  "prepull",
  "UpdateNodeActionStatus",
  // ServiceBus: the HTTP method of the call
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  // Transport control
  "header",
  "config",
  "ping",
  "pong",
  "ack",
  "nack",
] as const;

export type Operation = (typeof operations)[number];

const known: ReadonlySet<string> = new Set(operations);

export function isOperation(text: string): text is Operation {
  return known.has(text);
}
