import type { KubeObject } from "../../kubernetes/index.ts";
import { isTopicFilter } from "../../protocol/index.ts";

/** Rules and RuleEndpoints of `rules.kubeedge.io/v1`, read. Pure. */

/** What a rule does, once its endpoints are known. */
export type Route = RestToEventBus | RestToServiceBus | EventBusToRest | ServiceBusToRest;

interface Named {
  /** `<namespace>/<name>` of the rule. */
  readonly rule: string;
  readonly namespace: string;
}

interface FromRest {
  /** Segments below `/<node>/<namespace>/`; `{name}` stands for any one. */
  readonly path: readonly string[];
}

interface ToRest {
  readonly url: string;
  /** Take any certificate of an `https` target. */
  readonly anyCertificate: boolean;
}

export interface RestToEventBus extends Named, FromRest {
  readonly kind: "rest-eventbus";
  readonly topic: string;
}

export interface RestToServiceBus extends Named, FromRest {
  readonly kind: "rest-servicebus";
  readonly port: number;
  /** Without slashes around it. */
  readonly servicePath: string;
}

export interface EventBusToRest extends Named, ToRest {
  readonly kind: "eventbus-rest";
  readonly node: string;
  /** With the rule's namespace before it; may have wildcards. */
  readonly topic: string;
}

export interface ServiceBusToRest extends Named, ToRest {
  readonly kind: "servicebus-rest";
  readonly node: string;
  /** What the program on the node calls; the name of the rule there. */
  readonly targetUrl: string;
}

/** Routes of messages that come up. */
export type UpwardRoute = EventBusToRest | ServiceBusToRest;
export type RestRoute = RestToEventBus | RestToServiceBus;

export function isUpward(route: Route): route is UpwardRoute {
  return route.kind === "eventbus-rest" || route.kind === "servicebus-rest";
}

/** @returns The route, or what keeps the rule from working, in words for its status. */
export function routeOf(
  rule: KubeObject,
  endpointOf: (name: string) => KubeObject | undefined,
): Route | string {
  const namespace = rule.metadata.namespace ?? "default";
  const spec = recordOf(rule.spec);
  const source = endpointOf(textOf(spec.source));
  const target = endpointOf(textOf(spec.target));
  if (source === undefined) return missing("source", spec.source, namespace);
  if (target === undefined) return missing("target", spec.target, namespace);
  const from = recordOf(spec.sourceResource);
  const to = recordOf(spec.targetResource);
  const named = { rule: `${namespace}/${rule.metadata.name}`, namespace };
  const pair = `${typeOf(source)}-${typeOf(target)}`;
  switch (pair) {
    case "rest-eventbus": {
      const path = segmentsOf(textOf(from.path));
      const topic = textOf(to.topic);
      if (path.length === 0) return "spec.sourceResource.path is missing";
      if (topic === "" || /[+#\0]/.test(topic))
        return `spec.targetResource.topic is no topic to publish to: "${topic}"`;
      return { ...named, kind: pair, path, topic };
    }
    case "rest-servicebus": {
      const path = segmentsOf(textOf(from.path));
      const port = Number(recordOf(recordOf(target.spec).properties).service_port);
      if (path.length === 0) return "spec.sourceResource.path is missing";
      if (!(Number.isInteger(port) && port >= 1 && port <= 65_535))
        return `spec.properties.service_port of RuleEndpoint ${namespace}/${spec.target} must be a port, "1" to "65535"`;
      return { ...named, kind: pair, path, port, servicePath: segmentsOf(textOf(to.path)).join("/") };
    }
    case "eventbus-rest": {
      const topic = segmentsOf(`${namespace}/${textOf(from.topic)}`).join("/");
      if (!isTopicFilter(textOf(from.topic)))
        return `spec.sourceResource.topic is no MQTT topic: "${textOf(from.topic)}"`;
      return upward({ ...named, kind: pair, topic }, from, to, target);
    }
    case "servicebus-rest": {
      const targetUrl = textOf(from.target_url);
      if (targetUrl === "") return "spec.sourceResource.target_url is missing";
      return upward({ ...named, kind: pair, targetUrl }, from, to, target);
    }
    default:
      return `a rule cannot lead from ${typeOf(source)} to ${typeOf(target)}`;
  }
}

/** Names of the endpoints that a rule needs. */
export function endpointsOf(rule: KubeObject): string[] {
  const { source, target } = recordOf(rule.spec);
  return [textOf(source), textOf(target)];
}

function upward<Part extends Named & { kind: string }>(
  part: Part,
  from: Record<string, unknown>,
  to: Record<string, unknown>,
  target: KubeObject,
): (Part & ToRest & { node: string }) | string {
  const node = textOf(from.node_name);
  const url = textOf(to.resource);
  if (node === "") return "spec.sourceResource.node_name is missing";
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
    return `spec.targetResource.resource is no http or https URL: "${url}"`;
  const { insecureSkipTLSVerify } = recordOf(recordOf(target.spec).properties);
  return { ...part, node, url, anyCertificate: insecureSkipTLSVerify === "true" };
}

function missing(end: string, name: unknown, namespace: string): string {
  const endpoint = textOf(name);
  return endpoint === ""
    ? `spec.${end} is missing`
    : `RuleEndpoint ${namespace}/${endpoint}, the ${end}, does not exist`;
}

function typeOf(endpoint: KubeObject): string {
  return textOf(recordOf(endpoint.spec).ruleEndpointType);
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
