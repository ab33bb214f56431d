import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { keyOf, verbOf } from "../../../edgehub/metaserver/api-path.ts";
import { applicationOf, outcomeOf } from "../../../edgehub/metaserver/application.ts";
import { pluralOf, singularsOf, wellKnownKinds } from "../../../edgehub/metaserver/kinds.ts";
import { objectOf } from "../../../edgehub/metaserver/objects.ts";
import { formOf } from "../../../edgehub/metaserver/representation.ts";
import {
  deleteOption,
  listOption,
  patchOption,
  writeOption,
} from "../../../edgehub/metaserver/verb-options.ts";
import { type ObjectPath, readObjectPath } from "../../../kubernetes/path.ts";
import type { ResourceVersion } from "../../../protocol/index.ts";

interface RecordedApplication {
  readonly Key: string;
  readonly Verb: "get" | "list" | "watch" | "create" | "delete";
  readonly Nodename: string;
  readonly Option: string;
  readonly ReqBody: string | null;
}

/** The applications a KubeEdge edge sent, and what its cloud answered. */
function recorded() {
  const file = join(import.meta.dirname, "../../fixtures/captures/g-metaserver.jsonl");
  const messages = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).message)
    .filter((message) => message?.content?.Verb !== undefined);
  return messages
    .filter(({ route }) => route.source === "metaserver")
    .map((sent) => ({
      sent: sent.content as RecordedApplication,
      answer: messages.find(({ header }) => header.parent_msg_id === sent.header.msg_id)?.content,
    }));
}

function text(base64: string | null): string {
  return Buffer.from(base64 ?? "", "base64").toString();
}

const core = { group: "", version: "v1", resource: "configmaps", subresource: "" };

describe("an application", () => {
  test.each(recorded().map(({ sent }) => [sent.Verb, sent] as const))(
    "for %s is KubeEdge's, byte by byte",
    (_, sent) => {
      const [, , , , namespace = "", name = ""] = sent.Key.split("/");
      const path: ObjectPath = { ...core, namespace, name: name === "null" ? "" : name };
      const query = new URLSearchParams();
      const option = {
        get: () => "{}",
        list: () => listOption(query),
        watch: () => listOption(query, { watch: true }),
        create: () => writeOption("CreateOptions", query),
        delete: () => deleteOption(query, undefined),
      }[sent.Verb]();
      const mine = applicationOf({ path, verb: sent.Verb, option, body: text(sent.ReqBody) }, sent.Nodename);
      expect(JSON.stringify(mine)).toBe(JSON.stringify(sent));
    },
  );

  it("is answered with an object, or with nothing", () => {
    const outcomes = recorded().map(({ answer }) => outcomeOf(answer));
    expect(outcomes.every(({ approved }) => approved)).toBe(true);
    const bodies = outcomes.map((outcome) => (outcome.approved ? outcome.body : undefined));
    expect(bodies.map((body) => body && JSON.parse(body).kind)).toEqual([
      "ConfigMap",
      "ConfigMapList",
      undefined,
      "ConfigMap",
      undefined,
    ]);
  });

  it("may be rejected with a status, with a reason, or with nonsense", () => {
    const ErrStatus = { status: "Failure", reason: "Conflict", code: 409, message: "changed meanwhile" };
    expect(outcomeOf({ Status: "Rejected", Error: { ErrStatus } })).toMatchObject({
      approved: false,
      status: { kind: "Status", code: 409, reason: "Conflict" },
    });
    expect(outcomeOf({ Status: "Rejected", Reason: "no informer" })).toMatchObject({
      status: { code: 500, message: expect.stringContaining("no informer") },
    });
    expect(outcomeOf(null)).toMatchObject({ approved: false, status: { code: 500 } });
  });

  it("carries patches with their type", () => {
    const path = { ...core, namespace: "default", name: "cm1", subresource: "status" };
    const patch = { type: "application/merge-patch+json", body: '{"data":null}' };
    const query = new URLSearchParams("fieldManager=kubectl&force=true&dryRun=All");
    expect(JSON.parse(patchOption(path, patch, query))).toEqual({
      Name: "cm1",
      PatchType: "application/merge-patch+json",
      Data: Buffer.from(patch.body).toString("base64"),
      Options: {
        kind: "PatchOptions",
        apiVersion: "meta.k8s.io/v1",
        dryRun: ["All"],
        force: true,
        fieldManager: "kubectl",
      },
      Subresources: ["status"],
    });
  });
});

describe("a path", () => {
  test.each([
    ["/api/v1/pods", { resource: "pods", name: "", namespace: undefined }, "/core/v1/pods/null/null"],
    [
      "/api/v1/namespaces/default/pods/web",
      { namespace: "default", name: "web" },
      "/core/v1/pods/default/web",
    ],
    ["/api/v1/namespaces/default/pods/web/log", { subresource: "log" }, "/core/v1/pods/default/web"],
    [
      "/api/v1/namespaces/default",
      { resource: "namespaces", name: "default" },
      "/core/v1/namespaces/null/default",
    ],
    [
      "/api/v1/namespaces/default/status",
      { resource: "namespaces", subresource: "status" },
      "/core/v1/namespaces/null/default",
    ],
    ["/apis/apps/v1/namespaces/default/deployments", { group: "apps" }, "/apps/v1/deployments/default/null"],
    ["/apis/apps/v1/deployments/", { group: "apps", name: "" }, "/apps/v1/deployments/null/null"],
  ])("%s is read", (path, parts, key) => {
    const read = readObjectPath(path);
    expect(read).toMatchObject(parts);
    expect(keyOf(read as ObjectPath)).toBe(key);
  });

  test.each([
    "/",
    "/api",
    "/api/v1",
    "/apis/apps/v1",
    "/metrics",
    "/api/v1/pods/..%2f",
    "/api/v1/pods/%zz",
    "/api/v1/Pods",
    `/api/v1/pods/${"a".repeat(300)}`,
  ])("%s names no objects", (path) => {
    expect(readObjectPath(path)).toBeUndefined();
  });

  it("means a verb together with method and query", () => {
    const one = readObjectPath("/api/v1/namespaces/default/pods/web") as ObjectPath;
    const all = readObjectPath("/api/v1/pods") as ObjectPath;
    const query = (words: string): URLSearchParams => new URLSearchParams(words);
    expect(verbOf("GET", one, query(""))).toBe("get");
    expect(verbOf("GET", all, query(""))).toBe("list");
    expect(verbOf("GET", all, query("watch=true"))).toBe("watch");
    expect(verbOf("GET", all, query("watch=0"))).toBe("list");
    expect(verbOf("DELETE", all, query(""))).toBe("deletecollection");
    expect(verbOf("TRACE", all, query(""))).toBeUndefined();
  });
});

describe("a kind", () => {
  it("is found by its plural, and its plural by it", () => {
    for (const { kind, resource } of wellKnownKinds)
      expect(singularsOf(resource)).toContain(kind.toLowerCase());
    for (const type of ["widget", "policy", "mesh", "class", "box"])
      expect(singularsOf(pluralOf(type))).toContain(type);
  });
});

describe("a stored resource", () => {
  const stored = { type: "configmap", namespace: "default", name: "a", version: "7" as ResourceVersion };
  const asStored = (value: unknown) => objectOf({ ...stored, value: Buffer.from(JSON.stringify(value)) });

  it("gets the kind and the names that it came without", () => {
    expect(asStored({ data: {} })).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "a", namespace: "default", resourceVersion: "7" },
      data: {},
    });
  });

  it("keeps what it says itself", () => {
    const metadata = { name: "b", namespace: "other", resourceVersion: "9", labels: { a: "b" } };
    expect(asStored({ apiVersion: "v2", kind: "Map", metadata })).toEqual({
      apiVersion: "v2",
      kind: "Map",
      metadata,
    });
  });

  it("is no object if it is something else", () => {
    expect(asStored(["a"])).toBeUndefined();
    expect(asStored("a")).toBeUndefined();
    expect(objectOf({ ...stored, value: Buffer.from("{") })).toBeUndefined();
    expect(objectOf({ ...stored, type: "podpatch", value: Buffer.from("{}") })).toBeUndefined();
  });
});

test.each([
  [undefined, { as: "object" }],
  ["*/*", { as: "object" }],
  ["application/vnd.kubernetes.protobuf,application/json", { as: "object" }],
  ["application/json;as=Table;v=v1;g=meta.k8s.io,application/json", { as: "table", version: "v1" }],
  ["application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", { as: "metadata" }],
  ["application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json", { as: "object" }],
  ["application/vnd.kubernetes.protobuf", undefined],
  ["text/html", undefined],
])("Accept %s", (accept, form) => {
  expect(formOf(accept)).toEqual(form);
});
