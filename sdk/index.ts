/**
 * For programs that publish to edge nodes and listen to them.
 *
 * ```ts
 * const hub = await connectHub({ url: "https://127.0.0.1:10005", token, ca });
 * await hub.publish({ node: "edge-1", resource: "default/configmap/limits", operation: "update",
 *   resourceVersion: "7", content: { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "limits" } } },
 *   { until: "acked" });
 * for await (const { message, ack } of hub.subscribe({ groups: ["user"] })) { handle(message); ack(); }
 * ```
 */
export {
  type Checkpoint,
  type ControllerCertificate,
  type ControllerView,
  contentOf,
  type Delivery,
  type DeliveryKind,
  type ErrorCode,
  errorTable,
  event,
  type Filter,
  type HubAdmin,
  type HubApi,
  HubError,
  type Incoming,
  type JoinTokenRequest,
  type JoinTokenView,
  type LedgerEntry,
  type LedgerQuery,
  type LedgerState,
  type LinkTransport,
  type Message,
  type MessageView,
  type NodeView,
  type PublishDraft,
  type Published,
  type PublishOptions,
  type PublishOutcome,
  type ResourceQuery,
  type ResourceView,
  type Rights,
  type RolloutNode,
  type RolloutQuery,
  type RolloutState,
  type RolloutView,
  type Subscription,
  state,
  type Verb,
  verbs,
  viewOf,
  volatile,
} from "../protocol/index.ts";
export { connectHub, HubClient } from "./hub-client.ts";
export type { ClientParts, ConnectionState } from "./hub-connection.ts";
export type { ConnectOptions } from "./options.ts";
