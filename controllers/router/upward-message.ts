import { contentOf, event, type Message, type PublishDraft } from "../../protocol/index.ts";
import type { UpwardRoute } from "./rule.ts";

/** The messages between the router and a node. Pure. Source: KubeEdge's router, EventBus and ServiceBus. */

/**
 * What a node must be told so that it sends up what the route wants: node, source, operation and resource of a message,
 * as text. Routes with the same order need it to be given once.
 */
export function orderOf(route: UpwardRoute): string {
  return JSON.stringify(
    route.kind === "eventbus-rest"
      ? [route.node, "router_eventbus", "subscribe", route.topic]
      : [route.node, "router_servicebus", "start", route.targetUrl],
  );
}

/** The message that gives the order. A node that has it already changes nothing. */
export function giving(order: string): PublishDraft {
  const [node, source, operation, resource] = JSON.parse(order) as [string, string, string, string];
  return { node, source, group: "user", operation, resource, content: null, delivery: event() };
}

/** The message that takes it back. */
export function takingBack(order: string): PublishDraft {
  const draft = giving(order);
  return { ...draft, operation: draft.operation === "subscribe" ? "unsubscribe" : "stop" };
}

/** Which messages of nodes the route is for. */
export function filterOf(route: UpwardRoute) {
  const common = { nodes: [route.node], groups: ["user"], operations: ["upload"] };
  return route.kind === "eventbus-rest"
    ? { ...common, sources: ["bus"], topics: [route.topic] }
    : { ...common, sources: ["servicebus"], resources: [route.targetUrl] };
}

/** What is posted to the target: a text as it is, anything else as JSON. */
export function bodyOf(message: Pick<Message, "content">): Buffer {
  const content = contentOf(message);
  return Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
}

/** The target's answer to the program on the node that waits for it. */
export function answerTo(message: Message, body: string, waitsMs: number): PublishDraft {
  return {
    node: message.node,
    parentId: message.id,
    source: "servicebus",
    group: "user",
    operation: "response",
    resource: message.resource.path,
    content: body,
    delivery: event({ ttlMs: waitsMs }),
  };
}
