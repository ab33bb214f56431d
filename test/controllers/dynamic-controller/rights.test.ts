import { describe, expect, it } from "vitest";
import { requireAccess } from "../../../controllers/dynamic-controller/access.ts";
import { readApplication } from "../../../controllers/dynamic-controller/application.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";

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
  const all = {
    create: async (_: unknown, review: KubeObject) => ({ ...review, status: { allowed: true } }),
  };
  const target = { group: "", version: "v1", namespace: undefined, name: "edge-1", subresource: "" };

  it("writes no Node and makes no tokens for its programs", async () => {
    const node = { ...target, resource: "nodes" };
    await expect(requireAccess(all, "edge-1", "get", node)).resolves.toBeUndefined();
    await expect(requireAccess(all, "edge-1", "patch", node)).rejects.toThrow("cannot patch");
    const token = { ...target, resource: "serviceaccounts", namespace: "default", subresource: "token" };
    await expect(requireAccess(all, "edge-1", "create", token)).rejects.toThrow("cannot create");
    const request = { ...target, group: "certificates.k8s.io", resource: "certificatesigningrequests" };
    await expect(requireAccess(all, "edge-1", "create", request)).rejects.toThrow("cannot create");
  });
});
