import { OncePer } from "../../platform/logger.ts";
import type { Agent } from "../agent.ts";
import { objectOf } from "./fields.ts";
import { type BadPod, isBad, type Pod, parsePod } from "./pod.ts";

/** The pods that the store says shall be on this node; each is read when it has changed. */
export class WantedPods {
  readonly #agent: Agent;
  readonly #complaints: OncePer;
  readonly #pods = new Map<string, Pod | BadPod>();
  #changed: Set<string> | "all" = "all";

  constructor(agent: Agent) {
    this.#agent = agent;
    this.#complaints = new OncePer(agent.clock, 600_000);
  }

  /** @param key Resource path of a pod. */
  changed(key: string): void {
    if (this.#changed !== "all") this.#changed.add(key);
  }

  all(): (Pod | BadPod)[] {
    this.#read();
    return [...this.#pods.values()];
  }

  byUid(): Map<string, Pod | BadPod> {
    const pods = new Map<string, Pod | BadPod>();
    for (const pod of this.all()) {
      const uid = isBad(pod) ? pod.identity?.uid : pod.uid;
      if (uid !== undefined) pods.set(uid, pod);
    }
    return pods;
  }

  #read(): void {
    const { meta } = this.#agent.store;
    if (this.#changed === "all") for (const record of meta.list("pod")) this.#take(record.key, record.value);
    else for (const key of this.#changed) this.#take(key, meta.get(key)?.value);
    this.#changed = new Set();
  }

  #take(key: string, value: Uint8Array | undefined): void {
    this.#pods.delete(key);
    if (value === undefined) return;
    const object = objectOf(parsed(value));
    if (objectOf(object.spec).nodeName !== this.#agent.node) return;
    const pod = parsePod(object);
    this.#pods.set(key, pod);
    if (isBad(pod) && this.#complaints.pass(key) !== undefined)
      this.#agent.log.warn("a pod cannot run on this node", { resource: key, problem: pod.problem });
  }
}

function parsed(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
