import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { configMaps, pods, secrets } from "../../controllers/runtime/kinds.ts";
import type { EdgeHub } from "../../edgehub/index.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { type Impairer, startImpairer } from "../../testbed/impairer/index.ts";
import { until } from "../support/processes.ts";
import { ProcessCloud } from "./process-cloud.ts";

/** What a stock edgecore does with this cloud, our own agent does too, through cuts and restarts of either side. */

const node = "edge-1";
const at = (name: string) => ({ namespace: "default", name });
const object = (kind: string, name: string, rest: object): KubeObject => ({
  apiVersion: "v1",
  kind,
  metadata: at(name),
  ...rest,
});

/** Says over and over what its ConfigMap, its Secret and its token say, and once that it has begun. */
function speaker(name: string, file: string): KubeObject {
  const files = ["words/word", "keys/key", "token/token"].map((path) => `$EDGEHUB_ROOT/${path}`);
  const [word, key, token] = files;
  const line = `"$(cat ${word}) $(cat ${key}) $(head -c 6 ${token})"`;
  const script = `echo begun >> ${file}.begun; while :; do echo ${line} > ${file}.new; mv ${file}.new ${file}; sleep 0.1; done`;
  const sources = [{ serviceAccountToken: { path: "token", expirationSeconds: 3607 } }];
  return object("Pod", name, {
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          image: "none",
          command: ["/bin/sh", "-c", script],
          volumeMounts: ["words", "keys", "token"].map((one) => ({ name: one, mountPath: `/${one}` })),
        },
      ],
      volumes: [
        { name: "words", configMap: { name: "words" } },
        { name: "keys", secret: { secretName: "keys" } },
        { name: "token", projected: { sources } },
      ],
    },
  });
}

class Speaker {
  readonly cloud: ProcessCloud;
  readonly link: Impairer;
  readonly #namespace: "default" | "null";
  agent: EdgeHub;

  private constructor(cloud: ProcessCloud, link: Impairer, namespace: "default" | "null", agent: EdgeHub) {
    this.cloud = cloud;
    this.link = link;
    this.#namespace = namespace;
    this.agent = agent;
  }

  /** The pod runs on the node, and says `red one`. */
  static async start(namespace: "default" | "null"): Promise<Speaker> {
    const cloud = await ProcessCloud.start();
    const link = await startImpairer({
      listen: { host: "127.0.0.1", port: 0 },
      target: { host: "127.0.0.1", port: cloud.world.hub.ports.nodes },
      profile: "lan",
      seed: 1,
    });
    onTestFinished(() => link.close());
    const server = `wss://127.0.0.1:${link.port}`;
    const speaker = new Speaker(cloud, link, namespace, await cloud.node(node, { namespace }, { server }));
    await until("the node is ready", () => cloud.ready(node));
    await cloud.objects.create(configMaps, object("ConfigMap", "words", { data: { word: "red" } }));
    await cloud.objects.create(secrets, object("Secret", "keys", { stringData: { key: "one" } }));
    await cloud.objects.create(pods, speaker.pod());
    await speaker.says("red one");
    return speaker;
  }

  pod(name = "speaker"): KubeObject {
    return speaker(name, this.file(name));
  }

  file(name = "speaker"): string {
    return join(this.cloud.world.directory, name);
  }

  /** Begins another agent on what the last one has left. */
  async restartAgent(meanwhile: () => Promise<unknown>): Promise<void> {
    await this.agent.close();
    await meanwhile();
    const server = `wss://127.0.0.1:${this.link.port}`;
    this.agent = await this.cloud.node(node, { namespace: this.#namespace }, { server });
  }

  async write(word: string, key: string): Promise<void> {
    const { objects } = this.cloud;
    await objects.patch(configMaps, at("words"), "merge", { data: { word } });
    await objects.patch(secrets, at("keys"), "merge", { stringData: { key } });
  }

  async says(words: string, name = "speaker"): Promise<void> {
    const file = this.file(name);
    const expected = `${words} eyJhbG\n`;
    await until(`${name} says ${words}`, () => existsSync(file) && readFileSync(file, "utf8") === expected);
  }

  /** How often its container was started. */
  get beginnings(): number {
    return readFileSync(`${this.file()}.begun`, "utf8").trim().split("\n").length;
  }

  async isGone(name = "speaker"): Promise<void> {
    await until(`${name} is gone`, async () => (await this.cloud.phase(name)) === "gone");
  }
}

describe.each(["default", "null"] as const)("an agent that names its namespace %s", (namespace) => {
  it("is ready, and reports a pod that has its ConfigMap, Secret and token", async () => {
    const { cloud } = await Speaker.start(namespace);
    await until("the pod runs", async () => (await cloud.phase("speaker")) === "Running");
    const running = { name: "main", ready: true, restartCount: 0, state: { running: {} } };
    expect(await cloud.objects.get(pods, at("speaker"))).toMatchObject({
      status: {
        containerStatuses: [running],
        conditions: expect.arrayContaining([expect.objectContaining({ type: "Ready", status: "True" })]),
      },
    });
  });

  it("gets after a cut what was written, made and deleted meanwhile, while its pods ran on", async () => {
    const speaker = await Speaker.start(namespace);
    const { objects } = speaker.cloud;
    await objects.create(pods, speaker.pod("leaving"));
    await speaker.says("red one", "leaving");
    speaker.link.cut(2_000);
    await speaker.write("blue", "two");
    await objects.delete(pods, at("leaving"));
    await objects.create(pods, speaker.pod("coming"));
    await speaker.says("blue two");
    await speaker.says("blue two", "coming");
    await speaker.isGone("leaving");
    expect(speaker.beginnings).toBe(1);
    await until("the node is ready", () => speaker.cloud.ready(node));
  });

  it("gets after its own restart what was written meanwhile, and its pods are the same", async () => {
    const speaker = await Speaker.start(namespace);
    await speaker.restartAgent(() => speaker.write("blue", "two"));
    await speaker.says("blue two");
    expect(speaker.beginnings).toBe(1);
    await until("the node is ready", () => speaker.cloud.ready(node));
    await speaker.restartAgent(() => speaker.cloud.objects.delete(pods, at("speaker")));
    await speaker.isGone();
  });

  it("gets after a restart of the hub what was written before and after it", async () => {
    const speaker = await Speaker.start(namespace);
    const { cloud } = speaker;
    await cloud.stopControllers();
    await speaker.write("blue", "two");
    const stopped = await cloud.world.stopHub();
    await stopped.start();
    cloud.startControllers();
    await speaker.says("blue two");
    await speaker.write("green", "three");
    await speaker.says("green three");
    expect(speaker.beginnings).toBe(1);
    await until("the node is ready", () => cloud.ready(node));
    await cloud.objects.delete(pods, at("speaker"));
    await speaker.isGone();
  });
});
