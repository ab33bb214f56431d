import { beforeEach, describe, expect, it } from "vitest";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { type HttpWorld, map, maps, startHttpWorld } from "./http-world.ts";

/** What is written over HTTP, well or badly. */

let api: HttpWorld["api"];
let post: HttpWorld["post"];
beforeEach(async () => {
  ({ api, post } = await startHttpWorld());
});

describe("what is written", () => {
  it("is answered with warnings of fields that nobody knows, or refused for them", async () => {
    const odd = map("a", { datta: {} });
    expect((await post(odd)).headers.warning).toBe('299 - "unknown field \\"datta\\""');
    expect(await post(map("b", { datta: {} }), `${maps}?fieldValidation=Strict`)).toMatchObject({
      status: 400,
      body: { reason: "BadRequest", message: expect.stringContaining('unknown field "datta"') },
    });
    expect(
      (await post(map("c", { datta: {} }), `${maps}?fieldValidation=Ignore`)).headers.warning,
    ).toBeUndefined();
  });

  it("is refused when it is no object, another one, too large or of another version", async () => {
    expect(await post("{")).toMatchObject({ status: 400, body: { reason: "BadRequest" } });
    expect(await post([])).toMatchObject({ status: 400 });
    expect(await post({ ...map("a"), kind: "Secret" })).toMatchObject({ status: 400 });
    expect(await post({ ...map("a"), metadata: { name: "a", namespace: "other" } })).toMatchObject({
      status: 400,
    });
    const huge = await post(map("a", { data: { k: "x".repeat(4 << 20) } })).catch((error: unknown) => error);
    if (!(huge instanceof Error)) expect(huge).toMatchObject({ status: 413 });
    expect(await post(map("a", { data: { k: "x".repeat(2 << 20) } }))).toMatchObject({
      status: expect.toSatisfy((code: number) => code === 413 || code === 422),
    });
    const made = (await post(map("a"))).body as unknown as KubeObject;
    await api.send(`${maps}/a`, { method: "PUT", body: { ...made, data: { k: "1" } } });
    expect(await api.send(`${maps}/a`, { method: "PUT", body: made })).toMatchObject({
      status: 409,
      body: { reason: "Conflict" },
    });
    expect(await post(map("a"))).toMatchObject({ status: 409, body: { reason: "AlreadyExists" } });
    expect(await api.send("/healthz")).toMatchObject({ status: 200 });
  });

  it("is only tried with dryRun", async () => {
    expect(await post(map("a"), `${maps}?dryRun=All`)).toMatchObject({ status: 201 });
    expect(await api.send(`${maps}/a`)).toMatchObject({ status: 404 });
    expect(await post(map("a"), `${maps}?dryRun=Some`)).toMatchObject({ status: 400 });
  });

  it("may be YAML", async () => {
    const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: y }\n";
    expect(await post(text, maps, { "content-type": "application/yaml" })).toMatchObject({ status: 201 });
  });

  it("is JSON quickly, whatever it is called; YAML of another form has a limit of its own", async () => {
    const headers = { "content-type": "application/apply-patch+yaml" };
    const apply = (name: string, body: string) =>
      api.send(`${maps}/${name}?fieldManager=me`, { method: "PATCH", headers, body });
    const data = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, `value ${i}`]));
    const object = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "j" }, data });
    // The same once as JSON, once not: reading YAML takes a hundred times as long.
    const timed = async (text: string) => {
      const from = performance.now();
      expect(await apply("j", text)).toMatchObject({ status: expect.any(Number) });
      return performance.now() - from;
    };
    await timed(object);
    expect(await timed(object)).toBeLessThan(await timed(`# not JSON\n${object}`));
    const large = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: y }\ndata: { k: ${"x".repeat(600_000)} }`;
    expect(await apply("y", large)).toMatchObject({ status: 413, body: { reason: "RequestEntityTooLarge" } });
    expect(await apply("j", JSON.stringify(map("j", { data: { k: "x".repeat(900_000) } })))).toMatchObject({
      status: 200,
    });
  });

  it("may be a Node that has pods: it goes, and they are left to its controller", async () => {
    await post({ metadata: { name: "edge" } }, "/api/v1/nodes");
    const pod = {
      metadata: { name: "p" },
      spec: { nodeName: "edge", containers: [{ name: "c", image: "i" }] },
    };
    await post(pod, "/api/v1/namespaces/default/pods");
    expect(await api.send("/api/v1/nodes/edge", { method: "DELETE" })).toMatchObject({ status: 200 });
    expect(await api.send("/api/v1/nodes/edge")).toMatchObject({ status: 404 });
    expect(await api.send("/api/v1/namespaces/default/pods/p")).toMatchObject({ status: 200 });
  });

  it("may be an eviction, whose terms are read like those of a deletion", async () => {
    const pods = "/api/v1/namespaces/default/pods";
    await post(
      { metadata: { name: "p" }, spec: { nodeName: "n", containers: [{ name: "c", image: "i" }] } },
      pods,
    );
    const evict = (deleteOptions: unknown, query = "") =>
      post({ metadata: { name: "p" }, deleteOptions }, `${pods}/p/eviction${query}`);
    for (const bad of [{ propagationPolicy: "x" }, { gracePeriodSeconds: "soon" }, { dryRun: ["Some"] }, 5])
      expect(await evict(bad)).toMatchObject({ status: 400, body: { reason: "BadRequest" } });
    expect(await evict({ dryRun: ["All"] })).toMatchObject({ status: 201 });
    expect(await evict(undefined, "?dryRun=All")).toMatchObject({ status: 201 });
    expect((await api.send(`${pods}/p`)).body.metadata).not.toHaveProperty("deletionTimestamp");
    expect(await evict({ gracePeriodSeconds: 5 })).toMatchObject({ status: 201 });
    expect((await api.send(`${pods}/p`)).body.metadata).toMatchObject({ deletionGracePeriodSeconds: 5 });
  });

  it("may be a scale, which says who has set the replicas", async () => {
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    const spec = { replicas: 1, selector: { matchLabels: { a: "b" } }, template };
    const deployments = "/apis/apps/v1/namespaces/default/deployments";
    await post({ metadata: { name: "d" }, spec }, `${deployments}?fieldManager=maker`);
    const put = (body: unknown) =>
      api.send(`${deployments}/d/scale?fieldManager=scaler`, { method: "PUT", body });
    for (const bad of ["null", [], "5"]) expect(await put(bad)).toMatchObject({ status: 400 });
    expect(await put({ metadata: { name: "d" }, spec: { replicas: 3 } })).toMatchObject({ status: 200 });
    const { managedFields } = (await api.send(`${deployments}/d`)).body.metadata as {
      managedFields: object[];
    };
    const scaler = managedFields.find((entry) => "manager" in entry && entry.manager === "scaler");
    expect(scaler).toMatchObject({ operation: "Update", fieldsV1: { "f:spec": { "f:replicas": {} } } });
  });

  it("is answered for a question that makes no sense", async () => {
    const reviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    expect(await post({ spec: { user: "u", resourceAttributes: null } }, reviews)).toMatchObject({
      status: 400,
    });
    const attributes = { verb: "get", resource: "pods" };
    const odd = { spec: { user: "u", groups: 5, resourceAttributes: attributes } };
    expect((await post(odd, reviews)).status).toBeLessThan(500);
    expect(await api.send(`${maps}?watch=1&timeoutSeconds=soon`)).toMatchObject({ status: 400 });
    const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    expect(await post(deep, "/apis/authentication.k8s.io/v1/selfsubjectreviews")).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining("exceeded max depth") },
    });
  });

  it("is deleted with the terms of the body or the query", async () => {
    await post(map("a"));
    const options = { kind: "DeleteOptions", apiVersion: "v1", preconditions: { uid: "another" } };
    expect(await api.send(`${maps}/a`, { method: "DELETE", body: options })).toMatchObject({ status: 409 });
    expect(await api.send(`${maps}/a?dryRun=All`, { method: "DELETE" })).toMatchObject({ status: 200 });
    expect(await api.send(`${maps}/a`, { method: "DELETE" })).toMatchObject({
      body: { kind: "Status", status: "Success", details: { name: "a", kind: "configmaps" } },
    });
    expect(await api.send(`${maps}?labelSelector=a%3Db`, { method: "DELETE" })).toMatchObject({
      status: 200,
    });
  });
});
