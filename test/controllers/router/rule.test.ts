import { describe, expect, it } from "vitest";
import { matchRest } from "../../../controllers/router/rest-path.ts";
import { type RestRoute, routeOf } from "../../../controllers/router/rule.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";

const endpoint = (name: string, ruleEndpointType: string, properties = {}): KubeObject => ({
  apiVersion: "rules.kubeedge.io/v1",
  kind: "RuleEndpoint",
  metadata: { name, namespace: "line" },
  spec: { ruleEndpointType, properties },
});

const endpoints = new Map(
  [
    endpoint("rest", "rest"),
    endpoint("lax", "rest", { insecureSkipTLSVerify: "true" }),
    endpoint("bus", "eventbus"),
    endpoint("service", "servicebus", { service_port: "8080" }),
    endpoint("portless", "servicebus"),
  ].map((one) => [one.metadata.name, one]),
);

function routed(source: string, sourceResource: object, target: string, targetResource: object) {
  const rule = {
    apiVersion: "rules.kubeedge.io/v1",
    kind: "Rule",
    metadata: { name: "a-rule", namespace: "line" },
    spec: { source, sourceResource, target, targetResource },
  };
  return routeOf(rule, (name) => endpoints.get(name));
}

describe("a rule", () => {
  it("leads from REST to a topic", () => {
    expect(routed("rest", { path: "/down/{press}" }, "bus", { topic: "press/down" })).toEqual({
      rule: "line/a-rule",
      namespace: "line",
      kind: "rest-eventbus",
      path: ["down", "{press}"],
      topic: "press/down",
    });
  });

  it("leads from REST to a service of the node", () => {
    expect(routed("rest", { path: "svc" }, "service", { path: "/target/" })).toMatchObject({
      kind: "rest-servicebus",
      port: 8080,
      servicePath: "target",
    });
  });

  it("leads from a topic, below the rule's namespace, to REST", () => {
    const to = { resource: "https://cloud/sink" };
    expect(routed("bus", { topic: "/press//up", node_name: "edge-1" }, "lax", to)).toMatchObject({
      kind: "eventbus-rest",
      node: "edge-1",
      topic: "line/press/up",
      url: "https://cloud/sink",
      anyCertificate: true,
    });
    expect(routed("bus", { topic: "press/#", node_name: "edge-1" }, "rest", to)).toMatchObject({
      topic: "line/press/#",
      anyCertificate: false,
    });
  });

  it("leads from a program of the node to REST", () => {
    const from = { target_url: "http://cloud/x", node_name: "edge-1" };
    expect(routed("service", from, "rest", { resource: "http://cloud/y" })).toMatchObject({
      kind: "servicebus-rest",
      targetUrl: "http://cloud/x",
      url: "http://cloud/y",
    });
  });

  it.each([
    [["nowhere", {}, "bus", {}], "RuleEndpoint line/nowhere, the source, does not exist"],
    [["rest", {}, "nowhere", {}], "RuleEndpoint line/nowhere, the target, does not exist"],
    [["", {}, "bus", {}], "spec.source is missing"],
    [["rest", {}, "bus", { topic: "a" }], "spec.sourceResource.path is missing"],
    [["rest", { path: "//" }, "bus", { topic: "a" }], "spec.sourceResource.path is missing"],
    [["rest", { path: "a" }, "bus", {}], 'spec.targetResource.topic is no topic to publish to: ""'],
    [["rest", { path: "a" }, "bus", { topic: "a/#" }], 'is no topic to publish to: "a/#"'],
    [["rest", { path: "a" }, "portless", {}], "spec.properties.service_port of RuleEndpoint line/portless"],
    [
      ["bus", { topic: "a#", node_name: "n" }, "rest", {}],
      'spec.sourceResource.topic is no MQTT topic: "a#"',
    ],
    [["bus", { topic: "a" }, "rest", { resource: "http://c" }], "spec.sourceResource.node_name is missing"],
    [["bus", { topic: "a", node_name: "n" }, "rest", { resource: "ftp://c" }], 'URL: "ftp://c"'],
    [["service", { node_name: "n" }, "rest", {}], "spec.sourceResource.target_url is missing"],
    [["rest", { path: "a" }, "rest", {}], "a rule cannot lead from rest to rest"],
    [["bus", {}, "service", {}], "a rule cannot lead from eventbus to servicebus"],
  ] as const)("that cannot work says why: %j", ([source, from, target, to], why) => {
    expect(routed(source, from, target, to)).toContain(why);
  });
});

describe("a request", () => {
  const route = (rule: string, path: string, namespace = "line"): RestRoute => ({
    rule,
    namespace,
    kind: "rest-eventbus",
    path: path.split("/"),
    topic: "t",
  });
  const routes = [
    route("down", "down"),
    route("deep", "down/fast"),
    route("any", "down/{which}"),
    route("other", "down", "other"),
  ];

  it.each([
    ["/edge-1/line/down", "down", ""],
    ["/edge-1/line/down?x=1", "down", "?x=1"],
    ["/edge-1/line/down/fast", "deep", ""],
    ["/edge-1/line/down/fast/er?x=/a?b", "deep", "/er?x=/a?b"],
    ["/edge-1/line/down/slow/er", "any", "/er"],
    ["/edge-1/line/d%6Fwn/", "down", "/"],
    ["/edge-1/other/down/sub", "other", "/sub"],
  ])("%s belongs to the longest path that matches", (target, rule, rest) => {
    expect(matchRest(routes, target)).toMatchObject({ route: { rule }, node: "edge-1", rest });
  });

  it.each(["/", "/edge-1", "/edge-1/line", "/edge-1/line/up", "//line/down", "/edge-1/strange/down"])(
    "%s belongs to none",
    (target) => {
      expect(matchRest(routes, target)).toBeUndefined();
    },
  );
});
