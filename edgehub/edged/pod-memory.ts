import { prepareAll, type Statements } from "../../platform/sqlite.ts";
import type { Message } from "../../protocol/index.ts";
import type { EdgeStore } from "../store/edge-store.ts";
import type { Condition } from "./pod-status.ts";
import type { ContainerMemory, Reason } from "./pod-view.ts";
import type { PodIdentity } from "./runtime.ts";

/** What Edged knows of a pod beyond its object and what runs, and must know again after a restart. */
export interface PodMemory extends PodIdentity {
  /** When this node first saw it, wall clock ms. */
  readonly startTime: number;
  /** Of the pod's last definition, for when it is gone. */
  readonly graceSeconds: number;
  readonly containers: Readonly<Record<string, ContainerMemory>>;
  /** This node has taken it in; `undefined`: not decided yet. */
  readonly admitted?: true;
  /** It has ended for good, and why. */
  readonly failed?: Reason;
  readonly conditions: readonly Condition[];
  /** Addresses it has had, the newest last. */
  readonly ips: readonly string[];
  /** Its phase is Succeeded or Failed. */
  readonly ended?: true;
  /** The status last sent up. */
  readonly sent: string;
  /** The cloud was told that all of it has ended. */
  readonly endTold?: true;
}

/** Memories of pods, by uid, in the agent's database. */
export class PodMemories {
  readonly #store: EdgeStore;
  readonly #sql: Statements<"list" | "put" | "remove" | "removeTokens">;

  constructor(store: EdgeStore) {
    this.#store = store;
    this.#sql = prepareAll(store.database, {
      list: "SELECT state FROM edged_pod",
      put: `INSERT INTO edged_pod (uid, key, state) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET key = excluded.key, state = excluded.state`,
      remove: "DELETE FROM edged_pod WHERE uid = ?",
      removeTokens: "DELETE FROM edged_token WHERE uid = ?",
    });
  }

  list(): PodMemory[] {
    const rows = this.#sql.list.all() as { state: string }[];
    return rows.flatMap(({ state }) => memoryIn(state) ?? []);
  }

  /** Resolves when it is on the disk, together with the message if there is one. */
  async save(memory: PodMemory, message?: Message): Promise<void> {
    const { uid, namespace, name } = memory;
    await this.#store.write((publish) => {
      this.#sql.put.run(uid, `${namespace}/pod/${name}`, JSON.stringify(memory));
      if (message) publish(message);
    });
  }

  async remove(uid: string): Promise<void> {
    await this.#store.write(() => {
      this.#sql.remove.run(uid);
      this.#sql.removeTokens.run(uid);
    });
  }
}

/** @returns `undefined`: it is damaged; the pod is taken for a new one. */
function memoryIn(text: string): PodMemory | undefined {
  try {
    return JSON.parse(text) as PodMemory;
  } catch {
    return undefined;
  }
}

export function newMemory(
  { uid, namespace, name }: PodIdentity,
  now: number,
  graceSeconds: number,
): PodMemory {
  return {
    uid,
    namespace,
    name,
    startTime: now,
    graceSeconds,
    containers: {},
    conditions: [],
    ips: [],
    sent: "",
  };
}
