import { HubError, shown } from "./errors.ts";
import type { Message } from "./message.ts";

/**
 * How a message is delivered. Decided once, where the message enters the hub or the edge's outbox, and
 * stored with it.
 *
 * - `state`: the newest version per resource is all that must arrive. Acked. A waiting put gives way to a
 *   newer message of its resource; a waiting delete gives way to nothing. `numbered`: the message comes
 *   without a version and the hub gives it the next one.
 * - `event`: each one counts. Acked. Events of one sender and priority arrive in the order they were
 *   accepted. `priority` is -100..100, higher goes first, default 0. `ttlMs` counts from acceptance;
 *   `undefined` means for ever.
 * - `volatile`: sent once if the peer is connected; never stored, never acked.
 */
export type Delivery =
  | { readonly kind: "state"; readonly numbered?: true }
  | { readonly kind: "event"; readonly priority: number; readonly ttlMs: number | undefined }
  | { readonly kind: "volatile" };

export type DeliveryKind = Delivery["kind"];

export const state: Delivery = { kind: "state" };
export const numberedState: Delivery = { kind: "state", numbered: true };
export const volatile: Delivery = { kind: "volatile" };

/** An event's delivery. Throws `E_BAD_MESSAGE` for a priority outside -100..100 or a ttl that is not positive. */
export function event(options: { priority?: number; ttlMs?: number } = {}): Delivery {
  const priority = options.priority ?? 0;
  if (!Number.isInteger(priority) || Math.abs(priority) > 100) {
    throw new HubError(
      "E_BAD_MESSAGE",
      `priority must be a whole number from -100 to 100, got ${shown(priority)}`,
    );
  }
  const ttlMs = options.ttlMs;
  if (ttlMs !== undefined && !(ttlMs > 0 && ttlMs <= Number.MAX_SAFE_INTEGER)) {
    throw new HubError("E_BAD_MESSAGE", `ttlMs must be positive, got ${shown(ttlMs)}`);
  }
  return { kind: "event", priority, ttlMs: ttlMs === undefined ? undefined : Math.ceil(ttlMs) };
}

/** The two lines of KubeEdge whose rules differ. */
export type KubeEdgeLine = "1.15" | "master";

type Ruled = Pick<Message, "source" | "group" | "operation" | "resource" | "content">;

/** How long an answer to an edge's query is worth sending: MetaManager waits 60 s for it. */
export const answerTtlMs = 60_000;

/**
 * KubeEdge's own rule for messages that come without a delivery: does the cloud keep the message until the
 * edge acknowledges it?
 *
 * KubeEdge tests most of these words as substrings of the whole path, so that an object *named*
 * `membership-db` loses its ack. Here the words are compared with the part they mean; on every other path
 * the result is KubeEdge's.
 *
 * @returns The number of the rule that decided (1..14, the first that matches) and its verdict.
 */
export function ackRule(message: Ruled, line: KubeEdgeLine = "1.15"): { rule: number; ack: boolean } {
  const rule = noAckRule(message, line);
  return rule === undefined ? { rule: 14, ack: true } : { rule, ack: false };
}

/**
 * The delivery of a message whose publisher did not say: KubeEdge's rule translated. What KubeEdge sends
 * without ack is volatile; what it keeps is state if it puts or deletes an object, else an event that
 * lives as long as the edge waits for it.
 */
export function deliveryOf(message: Ruled, line: KubeEdgeLine = "1.15"): Delivery {
  if (!ackRule(message, line).ack) return volatile;
  const changesObject =
    message.operation === "insert" || message.operation === "update" || message.operation === "delete";
  if (changesObject && (message.group === "resource" || message.group === "func")) return state;
  return event({ ttlMs: answerTtlMs });
}

function noAckRule(message: Ruled, line: KubeEdgeLine): number | undefined {
  const { resource, operation, source } = message;
  const current = line === "master";
  if (resource.type === "podlist") return 1;
  if (resource.type === "membership") return 2;
  if (resource.path.endsWith("twin/cloud_updated")) return 3;
  if (resource.type === "serviceaccounttoken") return 4;
  if (current && resource.path === "k8s/ca.crt") return 5;
  if (volumeOperations.has(operation)) return 6;
  if (operation === "applicationResponse") return 7;
  if (message.group === "user") return 8;
  if (current && source === "taskmanager") return 9;
  if (source === "nodeupgradejobcontroller") return 10;
  if (operation === "response" && isText(message.content, '"OK"')) return 11;
  if (operation === "response" && isErrorValue(message.content)) return 12;
  if (source === "edgecontroller" && isAnswerOnly(resource.type, operation, current)) return 13;
  return undefined;
}

const volumeOperations: ReadonlySet<string> = new Set([
  "createvolume",
  "deletevolume",
  "controllerpublishvolume",
  "controllerunpublishvolume",
]);

const answerOnlyTypes: ReadonlySet<string> = new Set(["lease", "nodepatch", "podpatch", "podstatus"]);

function isAnswerOnly(type: string, operation: string, current: boolean): boolean {
  if (type === "node") return !current || operation !== "update";
  if (type === "certificatesigningrequest") return current;
  if (type === "pod") return operation === "response";
  return answerOnlyTypes.has(type);
}

/** A Go error value as JSON: a Kubernetes status error has the key `ErrStatus`, any other is an empty object. */
function isErrorValue(content: Uint8Array): boolean {
  return isText(content, "{}") || startsWith(content, '{"ErrStatus"');
}

function isText(content: Uint8Array, text: string): boolean {
  return content.length === text.length && startsWith(content, text);
}

function startsWith(content: Uint8Array, text: string): boolean {
  if (content.length < text.length) return false;
  for (let i = 0; i < text.length; i++) if (content[i] !== text.charCodeAt(i)) return false;
  return true;
}
