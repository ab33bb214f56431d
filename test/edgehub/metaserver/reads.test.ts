import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, it, test } from "vitest";
import { MetaServer } from "../../../edgehub/metaserver/meta-server.ts";
import { Supervisor } from "../../../edgehub/supervisor.ts";
import { TestAgent, until } from "../test-agent.ts";
import { configMap, fromCloud, putConfigMap, startServer } from "./support.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const asTable = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };

describe("objects of this node", () => {
  it("are got and listed as an API server does it", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "b", 2);
    await putConfigMap(agent, "a", 1);
    await putConfigMap(agent, "c", 3, { namespace: "other" });
    const got = await client.get(`${maps}/a`);
    expect(got).toMatchObject({ status: 200, body: configMap("a", 1) });
    expect(got.headers["content-type"]).toBe("application/json");
    const { body } = await client.get(maps);
    expect(body).toMatchObject({
      kind: "ConfigMapList",
      apiVersion: "v1",
      items: [configMap("a", 1), configMap("b", 2)],
    });
    expect(body.metadata.resourceVersion).toMatch(/^\d+$/);
    expect((await client.get("/api/v1/configmaps")).body.items).toHaveLength(3);
  });

  it("are found without kind, by what messages call them", async () => {
    const { agent, client } = await startServer();
    await fromCloud(agent, { resource: "default/pod/web", content: { spec: { nodeName: "edge-1" } } });
    await fromCloud(agent, { resource: "default/node/edge-1", content: { metadata: { name: "edge-1" } } });
    const pods = await client.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dedge-1");
    expect(pods.body.items).toMatchObject([
      { kind: "Pod", apiVersion: "v1", metadata: { name: "web", namespace: "default" } },
    ]);
    const node = await client.get("/api/v1/nodes/edge-1");
    expect(node.body.metadata).toEqual({ name: "edge-1" });
  });

  it("may be of kinds nobody has heard of", async () => {
    const { agent, client } = await startServer();
    const content = {
      apiVersion: "acme.io/v1",
      kind: "Policy",
      metadata: { name: "p", namespace: "default" },
    };
    await fromCloud(agent, { resource: "default/policy/p", content });
    expect((await client.get("/apis/acme.io/v1/policies")).body).toMatchObject({
      kind: "PolicyList",
      items: [content],
    });
    expect((await client.get("/apis/acme.io/v1")).body.resources[0]).toMatchObject({
      name: "policies",
      kind: "Policy",
      namespaced: true,
    });
    expect((await client.get("/apis/acme.io/v2/policies")).status).toBe(404);
  });

  it("are selected by labels and fields", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1, { labels: { app: "x" } });
    await putConfigMap(agent, "b", 2, { labels: { app: "y" } });
    const names = async (query: string) =>
      (await client.get(`${maps}?${query}`)).body.items.map(
        (item: { metadata: { name: string } }) => item.metadata.name,
      );
    expect(await names("labelSelector=app%20in%20(x,z)")).toEqual(["a"]);
    expect(await names("fieldSelector=metadata.name!%3Da")).toEqual(["b"]);
  });

  it("come in pages", async () => {
    const { agent, client } = await startServer();
    for (const [i, name] of ["a", "b", "c", "d", "e"].entries()) await putConfigMap(agent, name, i + 1);
    const names: string[] = [];
    const versions = new Set<string>();
    let more = "";
    do {
      const { body } = await client.get(`${maps}?limit=2${more && `&continue=${more}`}`);
      names.push(...body.items.map((item: { metadata: { name: string } }) => item.metadata.name));
      versions.add(body.metadata.resourceVersion);
      more = body.metadata.continue ?? "";
    } while (more !== "");
    expect(names).toEqual(["a", "b", "c", "d", "e"]);
    expect(versions.size).toBe(1);
    expect((await client.get(`${maps}?continue=bm9uc2Vuc2U`)).body).toMatchObject({
      code: 410,
      reason: "Expired",
    });
  });

  it("are rows of a table for kubectl", async () => {
    const { agent, client } = await startServer();
    await putConfigMap(agent, "a", 1);
    const { body } = await client.get(maps, asTable);
    expect(body).toMatchObject({ kind: "Table", apiVersion: "meta.k8s.io/v1" });
    expect(body.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual(["Name", "Data", "Age"]);
    expect(body.rows[0]).toMatchObject({
      cells: ["a", 1, "<unknown>"],
      object: { kind: "PartialObjectMetadata" },
    });
    const one = await client.get(`${maps}/a?includeObject=Object`, asTable);
    expect(one.body.rows[0].object).toEqual(configMap("a", 1));
  });

  it("are discovered", async () => {
    const { client } = await startServer();
    expect((await client.get("/api")).body).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
    const groups = (await client.get("/apis")).body.groups.map(({ name }: { name: string }) => name);
    expect(groups).toContain("apps");
    expect(groups).not.toContain("");
    expect((await client.get("/apis/apps")).body).toMatchObject({
      kind: "APIGroup",
      preferredVersion: { version: "v1" },
    });
    const { resources } = (await client.get("/api/v1")).body;
    expect(resources).toContainEqual(
      expect.objectContaining({ name: "pods", kind: "Pod", shortNames: ["po"], namespaced: true }),
    );
    const names = resources.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(["pods/log", "pods/status", "configmaps/status"]));
    expect((await client.get("/version")).body).toMatchObject({ major: "1" });
    expect((await client.get("/readyz")).body).toBe("ok");
  });
});

describe("OpenAPI", () => {
  it("says that the server checks fields, so that kubectl writes", async () => {
    const { client } = await startServer();
    const { paths } = (await client.get("/openapi/v3")).body;
    const { body } = await client.get(paths["apis/apps/v1"].serverRelativeURL);
    const { patch } = body.paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    expect(patch["x-kubernetes-group-version-kind"]).toEqual({
      group: "apps",
      version: "v1",
      kind: "Deployment",
    });
    expect(patch.parameters).toContainEqual(
      expect.objectContaining({ name: "fieldValidation", in: "query" }),
    );
    expect((await client.get("/openapi/v3/apis/nobody.io/v1")).status).toBe(404);
  });
});

describe("a request that cannot be answered", () => {
  test.each([
    ["GET", `${maps}/nope`, 404, "NotFound"],
    ["GET", "/api/v1/nonsenses", 404, "NotFound"],
    ["GET", "/apis/nobody.io/v1", 404, "NotFound"],
    ["GET", "/elsewhere", 404, "NotFound"],
    ["GET", "//", 400, "BadRequest"],
    ["GET", `${maps}?labelSelector=a%20b`, 400, "BadRequest"],
    ["GET", `${maps}?fieldSelector=spec.x%3D1`, 400, "BadRequest"],
    ["GET", `${maps}?watch=1&resourceVersion=17`, 410, "Expired"],
    ["POST", "/api/v1/namespaces/default/pods/web/log", 405, "MethodNotAllowed"],
    ["DELETE", "/api/v1/configmaps", 405, "MethodNotAllowed"],
    ["POST", maps, 503, "ServiceUnavailable", configMap("a", 1)],
    ["POST", maps, 400, "BadRequest", "{"],
    ["POST", maps, 400, "BadRequest", "[]"],
    ["PATCH", `${maps}/a`, 415, "UnsupportedMediaType", "{}"],
    ["PUT", `${maps}/a`, 413, "RequestEntityTooLarge", "x".repeat(200_000)],
  ])("%s %s gets %i %s", async (method, path, code, reason, body: unknown = "") => {
    const { client } = await startServer();
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const { status, body: answer } = await client.send(method, path, text);
    expect(status).toBe(code);
    expect(answer).toMatchObject({ kind: "Status", apiVersion: "v1", status: "Failure", code, reason });
    expect(answer.message).not.toBe("");
  });

  it("says which object is not there", async () => {
    const { client } = await startServer();
    const { body } = await client.get("/apis/apps/v1/namespaces/default/deployments/web");
    expect(body.message).toBe('deployments.apps "web" not found');
    expect(body.details).toEqual({ name: "web", group: "apps", kind: "deployments" });
  });

  it("is for the documents of older clients, and gets them in their form", async () => {
    const { client } = await startServer();
    const accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    const packed = await client.get("/openapi/v2", { accept });
    expect(packed).toMatchObject({ status: 200, headers: { "content-type": accept.replace("@", ".") } });
    expect(packed.body).toBe("\n\u00032.0\u0012\u0015\n\nKubernetes\u0012\u0007v1.32.0");
    expect((await client.get("/openapi/v2")).body).toMatchObject({ swagger: "2.0", paths: {} });
  });

  it("takes no JSON", async () => {
    const { client } = await startServer();
    const { status, body } = await client.get(maps, { accept: "application/vnd.kubernetes.protobuf" });
    expect([status, body.reason]).toEqual([406, "NotAcceptable"]);
  });

  it("is no HTTP, or breaks off, and disturbs nobody", async () => {
    const { client, server } = await startServer();
    for (const text of ["\u0000\r\n\r\n", `POST ${maps} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{`]) {
      const socket = connect(server.port as number, "127.0.0.1");
      await once(socket, "connect");
      socket.on("error", () => undefined).end(text);
      await once(socket.resume(), "close");
    }
    expect((await client.get("/healthz")).body).toBe("ok");
  });
});

describe("a port that is taken", () => {
  it("is tried again while the agent runs", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const agent = new TestAgent();
    let server: MetaServer | undefined;
    const supervisor = new Supervisor(agent, (inner, failed) => {
      const options = { server: "127.0.0.1", port, cloudTimeoutMs: 1, maxBodyBytes: 1, maxWatches: 1 };
      const more = { watchStallMs: 1, watchBytes: 1 };
      server = new MetaServer(inner, failed, { ...options, ...more }, () =>
        Promise.reject(new Error("no logs")),
      );
      return server;
    });
    await supervisor.start();
    expect(agent.log.lines.at(-1)).toMatchObject({ module: "metaserver", error: { code: "E_PORT_TAKEN" } });
    other.close();
    await once(other, "close");
    await agent.clock.advance(1_000);
    await until("the port", () => server?.port === port);
    await supervisor.stop(AbortSignal.abort());
  });
});
