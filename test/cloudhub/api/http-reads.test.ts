import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { type HttpWorld, map, maps, startHttpWorld } from "./http-world.ts";

/** What is read over HTTP: objects, lists, tables, watches. */

let api: HttpWorld["api"];
let post: HttpWorld["post"];
beforeEach(async () => {
  ({ api, post } = await startHttpWorld());
});

describe("what is asked for", () => {
  it("is found by discovery, in one document too", async () => {
    const plain = await api.send("/apis/apps/v1");
    expect(plain.body).toMatchObject({ kind: "APIResourceList", groupVersion: "apps/v1" });
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    const all = await api.send("/apis", { headers: { accept } });
    expect(all.headers["content-type"]).toContain("as=APIGroupDiscoveryList");
    expect(all.body).toMatchObject({ kind: "APIGroupDiscoveryList" });
    expect((await api.send("/version", { token: undefined })).body).toMatchObject({ major: "1" });
  });

  it("comes whole, as rows of a table or as its metadata", async () => {
    await post(map("a", { data: { k: "v" } }));
    const one = `${maps}/a`;
    const table = await api.send(one, {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    expect(table.body).toMatchObject({ kind: "Table", rows: [{ cells: ["a", 1, expect.any(String)] }] });
    const accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    const metadata = await api.send(one, { headers: { accept } });
    expect(metadata.body).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name: "a" } });
    expect(metadata.body).not.toHaveProperty("data");
  });

  it("is refused in forms that are not spoken here", async () => {
    const accept = "application/vnd.kubernetes.protobuf";
    expect(await api.send(maps, { headers: { accept } })).toMatchObject({
      status: 406,
      body: { kind: "Status", reason: "NotAcceptable" },
    });
    expect(await api.send(maps, { headers: { accept: `${accept},application/json` } })).toMatchObject({
      status: 200,
    });
    expect(await post("x", maps, { "content-type": "text/csv" })).toMatchObject({
      status: 415,
      body: { reason: "UnsupportedMediaType" },
    });
    const patch = { method: "PATCH", body: {}, headers: { "content-type": "application/json" } };
    expect(await api.send(`${maps}/a`, patch)).toMatchObject({ status: 415 });
  });

  it("is told that it is not there, or not to be done", async () => {
    expect(await api.send(`${maps}/none`)).toMatchObject({
      status: 404,
      body: { reason: "NotFound", message: 'configmaps "none" not found', details: { name: "none" } },
    });
    expect(await api.send("/apis/example.com/v1/nothings")).toMatchObject({
      status: 404,
      body: { message: "the server could not find the requested resource", details: {} },
    });
    expect(await api.send(maps, { method: "PUT", body: map("a") })).toMatchObject({ status: 405 });
  });

  it("comes compressed when it is large", async () => {
    const data = { k: "x".repeat(200_000) };
    await post(map("big", { data }));
    const packed = await api.send(`${maps}/big`, { headers: { "accept-encoding": "gzip" } });
    expect(packed.headers).toMatchObject({ "content-encoding": "gzip" });
    expect(packed.body.data).toEqual(data);
    expect((await api.send(`${maps}/big`)).headers).not.toHaveProperty("content-encoding");
  });
});

describe("a watch", () => {
  /** Its events as they come. */
  async function watch(query: string): Promise<Record<string, unknown>[]> {
    const response = await api.open(`${maps}?watch=true&${query}`);
    response.on("error", () => undefined);
    const events: Record<string, unknown>[] = [];
    const lines = createInterface({ input: response });
    lines.on("error", () => undefined).on("line", (line) => events.push(JSON.parse(line)));
    return events;
  }

  it("tells of changes, and of a version that is too old", async () => {
    const events = await watch("fieldSelector=metadata.name%3Da");
    await post(map("a"));
    await vi.waitFor(() =>
      expect(events).toMatchObject([{ type: "ADDED", object: { metadata: { name: "a" } } }]),
    );
    const expired = await watch("resourceVersion=1");
    await vi.waitFor(() =>
      expect(expired).toMatchObject([
        { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } },
      ]),
    );
    expect(await api.send(`${maps}?watch=true&labelSelector=%21%21`)).toMatchObject({ status: 400 });
  });

  it("shows in tables how old things are when they change, not when it began", async () => {
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const watch = await api.open(`${maps}?watch=1&fieldSelector=metadata.name=a`, { headers: { accept } });
    const lines = createInterface({ input: watch })[Symbol.asyncIterator]();
    const age = async (): Promise<string> => {
      const { value } = await lines.next();
      const { object } = JSON.parse(String(value)) as { object: { rows: [{ cells: string[] }] } };
      return object.rows[0].cells[2] ?? "";
    };
    await post(map("a"));
    expect(await age()).toBe("0s");
    await pause(2_100);
    const headers = { "content-type": "application/merge-patch+json" };
    await api.send(`${maps}/a`, { method: "PATCH", headers, body: { data: { a: "b" } } });
    expect(await age()).not.toBe("0s");
    watch.destroy();
  });

  it("ends when its time is over", async () => {
    const { text } = await api.send(`${maps}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone`);
    expect(text).toBe("");
  });
});
