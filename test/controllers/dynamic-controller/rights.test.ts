import { describe, expect, it } from "vitest";
import { requireAccess } from "../../../controllers/dynamic-controller/access.ts";
import {
  type ApplicationVerb,
  readApplication,
  type Target,
} from "../../../controllers/dynamic-controller/application.ts";
import { type KubeObject, notFound } from "../../../kubernetes/index.ts";

/** What programs may through their node. */

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");
const application = (more: object) => ({
  ID: "1",
  Key: "/core/v1/pods/default/mine",
  Verb: "patch",
  Nodename: "edge-1",
  ...more,
});

describe("the part of an object that is asked for", () => {
  const part = (Subresource: string, Subresources?: unknown) => {
    const option = Subresources === undefined ? {} : { Option: encoded({ Subresources }) };
    return readApplication(application({ Subresource, ...option }), "edge-1").target.subresource;
  };

  it("is one, wherever it is named", () => {
    expect(part("status")).toBe("status");
    expect(part("status", [])).toBe("status");
    expect(part("", ["status"])).toBe("status");
    expect(part("status", ["status"])).toBe("status");
  });

  it("is not another one than that whose rights are looked at", () => {
    expect(() => part("status", [""])).toThrow("names two parts");
    expect(() => part("status", ["scale"])).toThrow("names two parts");
  });
});

describe("a node whose roles allow everything", () => {
  const pod = (nodeName: string, more: object = {}): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "mine", namespace: "default", uid: "uid-1", ...more },
    spec: { nodeName, serviceAccountName: "reader" },
  });
  const all = (there?: KubeObject) => ({
    create: async (_: unknown, review: KubeObject) => ({ ...review, status: { allowed: true } }),
    get: async () => {
      if (there === undefined) throw notFound("pods", "mine");
      return there;
    },
  });
  const target = { group: "", version: "v1", namespace: undefined, name: "edge-1", subresource: "" };

  it("writes no Node, and asks for no certificate for its programs", async () => {
    const node = { ...target, resource: "nodes" };
    const access = (verb: ApplicationVerb, asked: Target) =>
      requireAccess(all(), "edge-1", { verb, target: asked });
    await expect(access("get", node)).resolves.toBeUndefined();
    await expect(access("patch", node)).rejects.toThrow("cannot patch");
    const request = { ...target, group: "certificates.k8s.io", resource: "certificatesigningrequests" };
    await expect(access("create", request)).rejects.toThrow("cannot create");
  });

  const boundObjectRef = { kind: "Pod", apiVersion: "v1", name: "mine", uid: "uid-1" };
  const ask = (there: KubeObject | undefined, ref: object | undefined, account = "reader") =>
    requireAccess(all(there), "edge-1", {
      verb: "create",
      target: {
        ...target,
        resource: "serviceaccounts",
        namespace: "default",
        name: account,
        subresource: "token",
      },
      body: { spec: { boundObjectRef: ref } },
    });

  it("gets a token that is bound to a pod of its that uses the account", async () => {
    await expect(ask(pod("edge-1"), boundObjectRef)).resolves.toBeUndefined();
  });

  it.each([
    ["another node's pod", pod("edge-2"), boundObjectRef],
    ["a pod of that name with another uid", pod("edge-1"), { ...boundObjectRef, uid: "uid-2" }],
    ["a pod without a uid", pod("edge-1"), { kind: "Pod", name: "mine" }],
    ["a Secret", pod("edge-1"), { ...boundObjectRef, kind: "Secret" }],
    ["a pod that is not there", undefined, boundObjectRef],
    [
      "a pod that the node has made itself",
      pod("edge-1", { annotations: { "kubernetes.io/config.mirror": "x" } }),
      boundObjectRef,
    ],
    ["nothing", pod("edge-1"), undefined],
  ])("gets none that is bound to %s", async (_name, there, ref) => {
    await expect(ask(there, ref)).rejects.toMatchObject({
      reason: "Forbidden",
      message: expect.stringContaining("the token must be bound to a pod of node edge-1"),
    });
  });

  it("gets none of an account that its pod does not use", async () => {
    await expect(ask(pod("edge-1"), boundObjectRef, "admin")).rejects.toThrow("must be bound");
  });
});
