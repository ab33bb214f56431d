import { HubError, shown } from "./errors.ts";
import type { Filter } from "./filter.ts";
import type { HubAdmin, HubApi, MessageView, Published } from "./hub-api.ts";
import { contentOf, type Message } from "./message.ts";

/**
 * What a controller asks its hub beside publishing: method → arguments and result, as JSON. Upstream messages
 * come as messages, not as results.
 */
export interface Calls extends ReadCalls, AdminCalls {
  /** Sends what matches from now on. The number is the client's and goes with `unsubscribe`. */
  subscribe(subscription: number, filter: Filter): null;
  unsubscribe(subscription: number): null;
  /** The draft of the message, with its content as JSON. @returns The answer in packed form, base64. */
  request(draft: unknown, timeoutMs: number): { readonly node: string; readonly packed: string };
  /** Ends when the node has acked it, or the time is over. */
  acked(published: Published, timeoutMs: number | null): null;
}

type Plainly<Api, Names extends keyof Api> = {
  [Name in Names]: Api[Name] extends (...args: infer Args) => Promise<infer Result>
    ? (...args: Args) => Result
    : never;
};

type ReadCalls = Plainly<HubApi, "where" | "checkpoint" | "resources" | "rollout" | "nodes">;
type AdminCalls = { [Name in keyof HubAdmin as `admin.${Name}`]: Plainly<HubAdmin, Name>[Name] };

export type CallName = keyof Calls;

/** The admin's verbs, as they are called. */
export const adminVerbs = [
  "createJoinToken",
  "joinTokens",
  "revokeJoinToken",
  "addNode",
  "removeNode",
  "revokeNode",
  "createController",
  "issueControllerCertificate",
  "controllers",
  "revokeController",
  "requeue",
  "message",
] as const satisfies readonly (keyof HubAdmin)[];

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

export function writeJson(value: unknown): Uint8Array {
  return toUtf8.encode(JSON.stringify(value ?? null));
}

/** Arguments of a call. Throws `E_BAD_MESSAGE`. */
export function readArguments(body: Uint8Array): unknown[] {
  const value = readJson(body);
  if (!Array.isArray(value) || value.length > 8)
    throw new HubError("E_BAD_MESSAGE", `arguments of a call must be a short list, got ${shown(value)}`);
  return value;
}

/** Throws `E_BAD_MESSAGE`. Null, as written for `undefined`, comes back as `undefined`. */
export function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8.decode(body)) ?? undefined;
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "the body of a call or reply must be JSON", { cause });
  }
}

/** A message as JSON, its content parsed. */
export function viewOf(message: Message): MessageView {
  return {
    id: message.id,
    parentId: message.parentId,
    timestamp: Number(message.timestamp),
    resourceVersion: message.resourceVersion,
    node: message.node,
    source: message.source,
    group: message.group,
    operation: message.operation,
    resource: message.resource.path,
    content: contentOf(message),
  };
}
