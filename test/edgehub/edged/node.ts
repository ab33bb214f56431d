import { setTimeout as realPause, setImmediate as turn } from "node:timers/promises";
import { onTestFinished } from "vitest";
import type { Agent, UpstreamDraft } from "../../../edgehub/agent.ts";
import { Edged } from "../../../edgehub/edged/edged.ts";
import { machineFacts } from "../../../edgehub/edged/machine.ts";
import { type EdgedOptions, edgedSection } from "../../../edgehub/edged/options.ts";
import type { EdgeStore } from "../../../edgehub/store/edge-store.ts";
import { checkOptions } from "../../../platform/config.ts";
import {
  contentOf,
  createMessage,
  deliveryOf,
  event,
  HubError,
  type Message,
  type NodeId,
  unpackMessage,
} from "../../../protocol/index.ts";
import { openEdgeStore } from "../../support/edge-store.ts";
import type { FakeClock } from "../../support/fake-clock.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { type LoggedLine, recordingLogger } from "../../support/recording-logger.ts";
import { FakeRuntime } from "./fake-runtime.ts";

const nodeName = "edge-1" as NodeId;

/** An agent with nothing but Edged, over a store in memory, a clock that a test moves, and a cloud that a test plays. */
export class TestNode {
  readonly clock: FakeClock;
  readonly store: EdgeStore;
  readonly runtime: FakeRuntime;
  readonly directory: string;
  readonly logged: LoggedLine[] = [];
  readonly asked: string[] = [];
  /** Of status patches of the node that went up. */
  readonly contents: unknown[] = [];
  /** What the cloud answers, by resource; no entry: nothing. */
  readonly answers = new Map<string, unknown>();
  readonly agent: Agent;
  edged: Edged;
  connected = false;
  /** The cloud is KubeEdge's, which acks nothing. */
  isKubeEdge = false;
  /** What is left on the machine. */
  free = { memoryBytes: 2 ** 30, diskBytes: 50 * 2 ** 30 };
  readonly #options: Partial<EdgedOptions>;
  #versions = 1;
  #ids = 0;

  /** @param options Of Edged, where they are not the defaults. */
  constructor(options: Partial<EdgedOptions> = {}) {
    const { store, clock } = openEdgeStore();
    this.store = store;
    this.clock = clock;
    const { path, remove } = temporaryDirectory();
    this.directory = path;
    this.runtime = new FakeRuntime(clock);
    const node = this;
    this.agent = {
      node: nodeName,
      store,
      clock,
      log: recordingLogger(this.logged),
      random: () => 1,
      get peerConfirmsTwins() {
        return node.connected ? node.isKubeEdge : undefined;
      },
      get connected() {
        return node.connected;
      },
      draft: (draft) => this.#draft(draft),
      publish: () => Promise.reject(new Error("not used")),
      request: (draft) => this.#request(draft),
      answerTo: (message) => this.#answerTo(message),
    };
    this.#options = options;
    this.edged = this.newEdged();
    onTestFinished(async () => {
      await this.stop();
      store.close();
      remove();
    });
  }

  newEdged(): Edged {
    const facts = {
      ...machineFacts(),
      hostIp: () => "192.0.2.1",
      allocatable: () => ({ cpuMillis: 2_000, memoryBytes: 2 ** 30 }),
      free: () => ({ ...this.free, diskTotalBytes: 100 * 2 ** 30, processes: 10_000 }),
    };
    const options = { ...checkOptions(edgedSection, this.#options), rootDirectory: this.directory };
    return new Edged(this.agent, { runtime: this.runtime, facts }, options);
  }

  /** Lets time pass in small steps, with real input and output in between. */
  async pass(ms = 200): Promise<void> {
    const steps = Math.min(Math.ceil(ms / 20), 400);
    for (let i = 0; i < steps; i++) {
      await this.clock.advance(ms / steps);
      await turn();
    }
  }

  /** Lets time pass until something holds that depends on real input and output. */
  async until(what: string, check: () => boolean): Promise<void> {
    for (let tries = 0; tries < 500; tries++) {
      if (check()) return;
      await this.pass();
      await realPause(2);
    }
    throw new Error(`never came: ${what}`);
  }

  async stop(): Promise<void> {
    await this.edged.stop(AbortSignal.abort());
  }

  async start(): Promise<void> {
    await this.edged.start();
    await this.pass();
  }

  /** An object from the cloud. */
  async put(resource: string, content: unknown, operation = "update"): Promise<void> {
    const message = createMessage(
      { node: nodeName, resource, operation, content, resourceVersion: String(++this.#versions) },
      { id: `down-${++this.#ids}`, timestamp: 1, delivery: deliveryOf },
    );
    const done = this.store.apply(message, "hub");
    await this.pass();
    await done;
  }

  async delete(resource: string): Promise<void> {
    await this.put(resource, {}, "delete");
  }

  /** All that waits for the cloud, as `operation resource`. */
  async upstream(): Promise<Message[]> {
    const rows = this.store.database.prepare("SELECT packed FROM outbox ORDER BY position").all();
    return (rows as { packed: Uint8Array }[]).map(({ packed }) => unpackMessage(packed, nodeName));
  }

  /** The newest status patch of a pod. */
  async status(name: string): Promise<StatusPatch["status"]> {
    const patches = (await this.upstream()).filter((one) => one.resource.path === `default/podpatch/${name}`);
    const patch = patches.at(-1);
    if (patch === undefined) throw new Error(`no status of ${name}`);
    return (JSON.parse(contentOf(patch) as string) as StatusPatch).status;
  }

  #draft(draft: UpstreamDraft): Message {
    const stamp = { id: `up-${++this.#ids}`, timestamp: this.clock.wallTime(), delivery: () => event() };
    return createMessage({ ...draft, node: nodeName }, stamp);
  }

  #request(draft: UpstreamDraft): Promise<Message> {
    if (!this.connected) return Promise.reject(new HubError("E_LINK_LOST", "not connected"));
    this.asked.push(`${draft.operation} ${draft.resource}`);
    if (draft.operation === "patch") this.contents.push(draft.content);
    return this.#answer(draft.resource);
  }

  #answerTo({ resource }: Message): Promise<Message> {
    return this.connected ? this.#answer(resource.path) : new Promise(() => undefined);
  }

  #answer(resource: string): Promise<Message> {
    const answer = this.answers.get(resource);
    if (answer === undefined) return new Promise(() => undefined);
    const message = createMessage(
      {
        node: nodeName,
        resource,
        operation: "response",
        content: answer,
        parentId: "p",
        delivery: event(),
      },
      { id: `answer-${++this.#ids}`, timestamp: 1, delivery: () => event() },
    );
    return Promise.resolve(message);
  }
}

interface ContainerReport {
  readonly name: string;
  readonly ready: boolean;
  readonly started: boolean;
  readonly restartCount: number;
  readonly containerID?: string;
  readonly state: Record<
    string,
    { reason?: string; message?: string; exitCode?: number; startedAt?: string }
  >;
  readonly lastState: Record<string, { reason?: string; exitCode?: number }>;
}

export interface StatusPatch {
  readonly metadata: { readonly uid: string };
  readonly status: {
    readonly phase: string;
    readonly reason: string | null;
    readonly message: string | null;
    readonly podIP: string | null;
    readonly hostIP: string;
    readonly qosClass: string;
    readonly conditions: { type: string; status: string; reason: string | null; message: string | null }[];
    readonly containerStatuses: ContainerReport[];
    readonly initContainerStatuses?: ContainerReport[];
  };
}

/** A Pod object with one container `main`, unless the spec says otherwise. */
export function podOf(name: string, spec: object = {}, metadata: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...metadata,
    },
    spec: { nodeName, containers: [{ name: "main", image: "app:1" }], ...spec },
  };
}
