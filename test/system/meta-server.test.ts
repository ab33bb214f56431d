import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { HubOptionsInput } from "../../cloudhub/index.ts";
import {
  type ControllersOptions,
  type RunningController,
  startControllers,
} from "../../controllers/index.ts";
import { configMaps, nodes, pods } from "../../controllers/runtime/kinds.ts";
import type { EdgeHub } from "../../edgehub/index.ts";
import type { KubeObject, ResourceName } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { Client, type WatchClient } from "../edgehub/metaserver/support.ts";
import { freePort } from "../support/free-port.ts";
import { Kubectl, kubectls } from "../support/kubectl.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** Programs on a node, its MetaServer, the hub with its controllers, and people with kubectl at the hub. */

const core = "/api/v1/namespaces/default/configmaps";
const widgetsPath = "/apis/plant.example/v1/namespaces/default/widgets";
const json = { "content-type": "application/json" };
const merge = { "content-type": "application/merge-patch+json" };
const rbac = (resource: string): ResourceName => ({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  resource,
});
const widgets: ResourceName = { group: "plant.example", version: "v1", resource: "widgets" };

const definition: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.plant.example" },
  spec: {
    group: "plant.example",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget", listKind: "WidgetList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", properties: { size: { type: "integer", minimum: 1 } } },
              status: { type: "object", properties: { phase: { type: "string" } } },
            },
          },
        },
      },
    ],
  },
};

const words = (name: string, word: string, labels?: Record<string, string>): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", ...(labels ? { labels } : {}) },
  data: { word },
});

class Plant {
  readonly world: World;
  readonly program: Client;
  edge: EdgeHub;
  readonly #options: ControllersOptions;
  #controllers: RunningController;

  private constructor(world: World, edge: EdgeHub, port: number, options: ControllersOptions) {
    this.world = world;
    this.edge = edge;
    this.program = new Client(port);
    this.#options = options;
    this.#controllers = this.#start();
  }

  /** @param rules What the node may do besides what every node may. */
  static async start(
    rules: readonly object[],
    options: ControllersOptions = {},
    hubOptions: HubOptionsInput = {},
  ): Promise<Plant> {
    const world = await startWorld(hubOptions);
    const port = await freePort();
    const edge = await world.agent("edge-1", { metaServer: { enable: true, port } });
    const plant = new Plant(world, edge, port, options);
    onTestFinished(() => plant.#controllers.close());
    await plant.objects.create(
      { group: "apiextensions.k8s.io", version: "v1", resource: "customresourcedefinitions" },
      definition,
    );
    await plant.allow(rules);
    await until("the link", () => edge.connected);
    await until("an answer", async () => (await plant.program.get("/api/v1/nodes")).status === 200);
    return plant;
  }

  get objects(): World["hub"]["objects"] {
    return this.world.hub.objects;
  }

  async allow(rules: readonly object[]): Promise<void> {
    const apiVersion = "rbac.authorization.k8s.io/v1";
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "programs" };
    const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "system:node:edge-1" }];
    const metadata = { name: "programs" };
    await this.objects.create(rbac("clusterroles"), { apiVersion, kind: "ClusterRole", metadata, rules });
    const binding = { apiVersion, kind: "ClusterRoleBinding", metadata, roleRef, subjects };
    await this.objects.create(rbac("clusterrolebindings"), binding);
  }

  async restartAgent(): Promise<void> {
    await this.edge.close();
    this.edge = await this.world.agent("edge-1", { metaServer: { enable: true, port: this.program.port } });
  }

  stopControllers(): Promise<void> {
    return this.#controllers.close();
  }

  startControllers(): void {
    this.#controllers = this.#start();
  }

  #start(): RunningController {
    const { hub } = this.world;
    const parts = { hub, objects: hub.objects, clock: systemClock, log: silentLogger };
    return startControllers(parts, { enable: ["edge", "dynamic"], ...this.#options });
  }
}

const everything = [
  { apiGroups: ["", "plant.example"], resources: ["configmaps", "widgets", "widgets/status"], verbs: ["*"] },
];

const wordIn = ({ object }: { object: { data?: { word?: string } } }): string | undefined =>
  object.data?.word;

/** `ADDED lamp red`: what a watch has told, without versions. */
function toldBy(watch: WatchClient): string[] {
  return watch.events
    .filter(({ object }) => object.metadata.name !== "kube-root-ca.crt")
    .map((event) => `${event.type} ${event.object.metadata.name} ${wordIn(event)}`);
}

const podOf = (name: string, nodeName: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  spec: { nodeName, containers: [{ name: "main", image: "busybox" }] },
});

describe("a program on a node", () => {
  it("gets tokens for the node's pods, without the hub too, and for no others", async () => {
    const { program, objects, world, edge } = await Plant.start([]);
    const [mine, theirs] = await Promise.all(
      [podOf("mine", "edge-1"), podOf("theirs", "edge-2")].map((pod) => objects.create(pods, pod)),
    );
    const mayAsk = async (pod: KubeObject | undefined) => {
      const { name, uid } = pod?.metadata ?? {};
      const boundObjectRef = { kind: "Pod", apiVersion: "v1", name, uid };
      const path = "/api/v1/namespaces/default/serviceaccounts/default/token";
      return await program.send("POST", path, JSON.stringify({ spec: { boundObjectRef } }), json);
    };
    const tokenNow = async () => (await mayAsk(mine)).body.status?.token;
    await until("a token that is kept", async () => {
      const token = await tokenNow();
      return token !== undefined && token === (await tokenNow());
    });
    const first = await mayAsk(mine);
    expect(first).toMatchObject({ status: 201, body: { kind: "TokenRequest" } });
    expect(await mayAsk(theirs)).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining("must be bound to a pod of node edge-1") },
    });
    await world.stopHub();
    await until("the link's end", () => !edge.connected);
    expect((await mayAsk(mine)).body.status).toEqual(first.body.status);
    expect((await mayAsk(theirs)).status).toBe(503);
  });

  it("creates, patches, updates and deletes objects at the hub", async () => {
    const { program, objects } = await Plant.start(everything);
    const lamp = { namespace: "default", name: "lamp" };
    const created = await program.send("POST", core, JSON.stringify(words("lamp", "red")), json);
    expect(created).toMatchObject({ status: 201, body: { data: { word: "red" } } });
    expect(await objects.get(configMaps, lamp)).toEqual(created.body);
    const patch = JSON.stringify({ data: { word: "blue" } });
    expect((await program.send("PATCH", `${core}/lamp`, patch, merge)).status).toBe(200);
    const patched = await objects.get(configMaps, lamp);
    expect(patched).toMatchObject({ data: { word: "blue" } });
    const green = JSON.stringify({ ...patched, data: { word: "green" } });
    expect((await program.send("PUT", `${core}/lamp`, green, json)).status).toBe(200);
    expect((await program.send("PUT", `${core}/lamp`, green, json)).body).toMatchObject({
      kind: "Status",
      reason: "Conflict",
      code: 409,
    });
    expect((await program.get(`${core}/lamp`)).body).toEqual(await objects.get(configMaps, lamp));
    expect((await program.send("DELETE", `${core}/lamp`)).status).toBe(200);
    await expect(objects.get(configMaps, lamp)).rejects.toMatchObject({ reason: "NotFound" });
    expect((await program.get(`${core}/lamp`)).status).toBe(404);
  });

  it("works with custom resources and their status", async () => {
    const { program, objects } = await Plant.start(everything);
    const big = { namespace: "default", name: "big" };
    const widget = (size: number) =>
      JSON.stringify({
        apiVersion: "plant.example/v1",
        kind: "Widget",
        metadata: { name: "big" },
        spec: { size },
      });
    expect((await program.send("POST", widgetsPath, widget(0), json)).body).toMatchObject({
      reason: "Invalid",
      details: { causes: [{ field: "spec.size" }] },
    });
    expect((await program.send("POST", widgetsPath, widget(3), json)).status).toBe(201);
    const again = await program.send("POST", widgetsPath, widget(3), json);
    expect(again.body).toMatchObject({ reason: "AlreadyExists", code: 409 });
    const status = JSON.stringify({ spec: { size: 9 }, status: { phase: "Ready" } });
    expect((await program.send("PATCH", `${widgetsPath}/big/status`, status, merge)).status).toBe(200);
    expect(await objects.get(widgets, big)).toMatchObject({ spec: { size: 3 }, status: { phase: "Ready" } });
    const jsonPatch = JSON.stringify([{ op: "replace", path: "/spec/size", value: 4 }]);
    const asJson = { "content-type": "application/json-patch+json" };
    expect((await program.send("PATCH", `${widgetsPath}/big`, jsonPatch, asJson)).status).toBe(200);
    expect((await program.get(widgetsPath)).body).toMatchObject({
      kind: "WidgetList",
      items: [{ spec: { size: 4 } }],
    });
    expect((await program.send("DELETE", `${widgetsPath}/big`)).status).toBe(200);
    await expect(objects.get(widgets, big)).rejects.toMatchObject({ reason: "NotFound" });
  });

  it("is told when an answer is too long for a message", async () => {
    const { program, objects } = await Plant.start(everything, {}, { limits: { messageBytes: 200_000 } });
    await objects.create(configMaps, words("lamp", "x".repeat(180_000)));
    expect((await program.get(`${core}/lamp`)).body).toMatchObject({
      kind: "Status",
      reason: "RequestEntityTooLarge",
      code: 413,
    });
    await objects.update(configMaps, words("lamp", "red"));
    expect((await program.get(`${core}/lamp`)).body).toMatchObject({ data: { word: "red" } });
  });

  it("may do what the node may, and nothing else", async () => {
    const { program, objects, world } = await Plant.start([]);
    await objects.create(configMaps, words("lamp", "red"));
    const refused = await program.send("POST", core, JSON.stringify(words("other", "red")), json);
    expect(refused.body).toMatchObject({
      reason: "Forbidden",
      message: expect.stringContaining('User "system:node:edge-1" cannot create resource "configmaps"'),
    });
    expect((await program.get(`${core}/lamp`)).status).toBe(403);
    const watch = await program.watch("/api/v1/configmaps?watch=1");
    // A list is the node's own then.
    expect((await program.get(core)).body.items).toEqual([]);
    expect(watch.events).toEqual([]);
    expect(await world.hub.resources({ node: "edge-1", resource: "*/configmap/*" })).toEqual([]);
    // A role that gives all rights gives none to give rights away.
    await objects.patch(rbac("clusterroles"), { name: "programs" }, "merge", {
      rules: [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }],
    });
    const path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "mine" },
      roleRef,
    };
    expect((await program.send("POST", path, JSON.stringify(binding), json)).status).toBe(403);
    expect((await program.get(`${core}/lamp`)).body).toMatchObject({ data: { word: "red" } });
  });
});

describe("a watch of a program", () => {
  it("tells what people change at the hub, over restarts of the hub and times without a link", async () => {
    const plant = await Plant.start(everything);
    const { program, world, edge } = plant;
    await plant.objects.create(configMaps, words("lamp", "red"));
    const list = (await program.get(core)).body;
    expect(list.items.map((one: KubeObject) => one.metadata.name)).toContain("lamp");
    const version = list.metadata.resourceVersion;
    const watch = await program.watch(`${core}?watch=1&resourceVersion=${version}`);
    await until("what it watches", () => edge.store.meta.get("default/configmap/lamp") !== undefined);
    await plant.objects.update(configMaps, words("lamp", "blue"));
    await until("the change", () => toldBy(watch).length === 1);
    await plant.objects.create(configMaps, words("door", "open"));
    await until("the new one", () => toldBy(watch).length === 2);

    await plant.stopControllers();
    const { start } = await world.stopHub();
    await until("the link's end", () => !edge.connected);
    expect((await program.get(`${core}/door`)).body).toMatchObject({ data: { word: "open" } });
    const offline = await program.send("POST", core, JSON.stringify(words("new", "x")), json);
    expect(offline).toMatchObject({ status: 503, body: { kind: "Status" } });
    await start();
    await plant.objects.update(configMaps, words("lamp", "green"));
    await plant.objects.delete(configMaps, { namespace: "default", name: "door" });
    plant.startControllers();
    await until("what changed meanwhile", () => toldBy(watch).length === 4);
    await plant.objects.create(configMaps, words("gate", "shut"));
    await until("one more", () => toldBy(watch).length === 5);
    expect(toldBy(watch).slice(0, 2)).toEqual(["MODIFIED lamp blue", "ADDED door open"]);
    expect(toldBy(watch).slice(2, 4).sort()).toEqual(["DELETED door undefined", "MODIFIED lamp green"]);
    expect(toldBy(watch).at(-1)).toBe("ADDED gate shut");
    const gone = watch.events.find(({ type }) => type === "DELETED")?.object;
    expect(gone).toMatchObject({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "door" } });
  });

  it("has the selected objects alone", async () => {
    const { program, objects } = await Plant.start(everything);
    await objects.create(configMaps, words("lamp", "red", { room: "hall" }));
    await objects.create(configMaps, words("door", "open"));
    const watch = await program.watch(`${core}?watch=1&labelSelector=room%3Dhall`);
    await until("the lamp", () => toldBy(watch).length === 1);
    await objects.update(configMaps, words("door", "open", { room: "hall" }));
    await until("the door", () => toldBy(watch).length === 2);
    await objects.update(configMaps, words("lamp", "red"));
    await until("no lamp", () => toldBy(watch).length === 3);
    expect(toldBy(watch)).toEqual(["ADDED lamp red", "ADDED door open", "DELETED lamp red"]);
  });

  it("tells of nodes that come and go", async () => {
    const { program, objects, edge } = await Plant.start(everything);
    const watch = await program.watch("/api/v1/nodes?watch=1");
    await objects.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "edge-9" }, spec: {} });
    const told = () => watch.events.map(({ type, object }) => `${type} ${object.metadata.name}`);
    await until("the node", () => told().includes("ADDED edge-9"));
    await objects.delete(nodes, { name: "edge-9" });
    await until("its end", () => told().includes("DELETED edge-9"));
    expect(edge.connected).toBe(true);
  });

  it("leaves nothing behind when it has been closed for a while", async () => {
    const { program, objects, world } = await Plant.start(everything, { dynamic: { keepMs: 200 } });
    await objects.create(configMaps, words("lamp", "red"));
    const watch = await program.watch(`${core}?watch=1`);
    await until("the lamp", () => toldBy(watch).length === 1);
    watch.close();
    const held = async () =>
      (await world.hub.resources({ node: "edge-1", resource: "*/configmap/*" })).filter(
        ({ acceptedDeleted }) => !acceptedDeleted,
      );
    await until("nothing", async () => (await held()).length === 0);
    const kept = { namespace: "kubeedge", labelSelector: "cloudhub/metaserver-watches" };
    await until("no record", async () => (await objects.list(configMaps, kept)).items.length === 0);
  });

  it("ends with its node's life, restart after restart", async () => {
    const plant = await Plant.start(everything, { dynamic: { keepMs: 200 } });
    const { objects } = plant;
    const kept = { namespace: "kubeedge", labelSelector: "cloudhub/metaserver-watches" };
    const watched = async () => {
      const { items } = await objects.list(configMaps, kept);
      const texts = items.map(({ data }) => (data as { watches: string }).watches);
      const records = texts.flatMap((text) => JSON.parse(text) as { labelSelector: string }[]);
      return records.map(({ labelSelector }) => labelSelector);
    };
    for (let life = 0; life < 10; life++) {
      await plant.program.watch(`${core}?watch=1&labelSelector=life%3D${life}`);
      await until("this life's watch alone", async () => String(await watched()) === `life=${life}`);
      await plant.restartAgent();
    }
    await until("no watch", async () => (await watched()).length === 0);
  });

  it("shares a ConfigMap with a pod of the node", async () => {
    const { program, objects } = await Plant.start(everything);
    await objects.create(configMaps, words("lamp", "red"));
    const watch = await program.watch(`${core}?watch=1`);
    await until("the lamp", () => toldBy(watch).length === 1);
    await objects.create(pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "reader", namespace: "default" },
      spec: {
        nodeName: "edge-1",
        containers: [{ name: "main", image: "none" }],
        volumes: [{ name: "words", configMap: { name: "lamp" } }],
      },
    });
    await objects.update(configMaps, words("lamp", "blue"));
    await until("the change", () => toldBy(watch).includes("MODIFIED lamp blue"));
    await objects.delete(pods, { namespace: "default", name: "reader" }, { gracePeriodSeconds: 0 });
    await objects.update(configMaps, words("lamp", "green"));
    await until("the lamp as it is", () => toldBy(watch).at(-1)?.endsWith("lamp green") ?? false);
  });
});

describe.each(kubectls())("$name", ({ path, missing }) => {
  it.skipIf(missing)("works on the node, and its changes are seen at the hub", async () => {
    const { world, program, objects } = await Plant.start(everything);
    const atHub = new Kubectl(path, join(world.directory, "hub/admin.kubeconfig"), world.directory);
    const onNode = new Kubectl(path, "/dev/null", world.directory);
    const server = `--server=http://127.0.0.1:${program.port}`;
    const manifest = onNode.file(JSON.stringify(words("lamp", "red")));
    expect(await onNode.out(server, "apply", "-f", manifest)).toContain("lamp created");
    expect(await atHub.out("get", "cm", "lamp", "-o", "jsonpath={.data.word}")).toBe("red");
    const followed = onNode.follow(server, "get", "cm", "-w", "-o", "name");
    await until("the list", () => followed.lines.includes("configmap/lamp"));
    await atHub.out("create", "configmap", "door", "--from-literal=word=open");
    await until("the new one", () => followed.lines.includes("configmap/door"));
    const widget = (name: string) => ({
      apiVersion: "plant.example/v1",
      kind: "Widget",
      metadata: { name, namespace: "default" },
      spec: { size: 2 },
    });
    await atHub.out("create", "-f", atHub.file(JSON.stringify(widget("first"))));
    // Its discovery knows the kinds of what the node has.
    const watch = await program.watch(`${widgetsPath}?watch=1`);
    await until("the first", () => watch.events.length === 1);
    const file = onNode.file(JSON.stringify(widget("big")));
    expect(await onNode.out(server, "create", "--validate=false", "-f", file)).toContain("big created");
    expect(await atHub.out("get", "widgets", "big", "-o", "jsonpath={.spec.size}")).toBe("2");
    await onNode.out(
      server,
      "patch",
      "widget.plant.example",
      "big",
      "--type=merge",
      "-p",
      '{"spec":{"size":5}}',
    );
    expect(await objects.get(widgets, { namespace: "default", name: "big" })).toMatchObject({
      spec: { size: 5 },
    });
    await onNode.out(server, "delete", "widget.plant.example", "big", "--wait=false");
    expect(await atHub.out("get", "widgets", "-o", "name")).toBe("widget.plant.example/first\n");
  });
});
