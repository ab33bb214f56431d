import { messagesOf, readCapture } from "./capture.ts";
import type { WireJson } from "./wire-json.ts";

/** What the recorded edge sent, but for acks, and what cloudcore said to it. */
export interface Exchange {
  readonly asked: WireJson;
  /** `undefined`: nothing. */
  readonly answered: WireJson | undefined;
  /** The edge has acked the answer. */
  readonly isAcked: boolean;
}

/** Reads exchanges of captures, with one node's name put in for the recorded one's. */
export function exchangesOf(captures: readonly string[], node: string): Exchange[] {
  return captures.flatMap((name) => {
    const messages = namedMessages(name, node);
    const answers = new Map(
      messages
        .filter(({ from }) => from === "cloud")
        .map(({ message }) => [message.header.parent_msg_id, message]),
    );
    const acked = new Set(
      messages
        .filter(({ from, message }) => from === "edge" && message.content === "OK")
        .map(({ message }) => message.header.parent_msg_id),
    );
    return messages
      .filter(({ from, message }) => from === "edge" && message.header.parent_msg_id === undefined)
      .map(({ message: asked }) => {
        const answered = answers.get(asked.header.msg_id);
        return { asked, answered, isAcked: acked.has(answered?.header.msg_id) };
      });
  });
}

/** A pod's statuses, as the recorded API server had them after each patch of the edge. */
export function statusesAfterPatches(exchanges: readonly Exchange[]): Readonly<Record<string, unknown>>[] {
  return exchanges.flatMap(({ asked, answered }) => {
    if (kindOf(asked) !== "patch podpatch" || answered === undefined) return [];
    return [(answered.content as { Object: { status: Readonly<Record<string, unknown>> } }).Object.status];
  });
}

/** What cloudcore pushed, with one node's name put in for the recorded one's. */
export function pushesOf(capture: string, node: string): WireJson[] {
  return namedMessages(capture, node)
    .filter(({ from, message }) => from === "cloud" && message.header.parent_msg_id === undefined)
    .map(({ message }) => message);
}

function namedMessages(capture: string, node: string): { from: "edge" | "cloud"; message: WireJson }[] {
  return messagesOf(readCapture(capture)).map(({ from, text }) => ({
    from,
    message: JSON.parse(text.replaceAll(/edge-[abc]/g, node)) as WireJson,
  }));
}

/** `insert node`. */
export function kindOf({ route }: WireJson): string {
  return `${route.operation} ${route.resource?.split("/")[1]}`;
}

/** Why an answer says no; `undefined`: it does not. */
export function refusalIn({ content }: WireJson): string | undefined {
  const { ErrStatus, Err } = (content ?? {}) as { ErrStatus?: Status; Err?: { ErrStatus?: Status } | null };
  return (ErrStatus ?? Err?.ErrStatus)?.reason;
}

interface Status {
  readonly reason: string;
}
