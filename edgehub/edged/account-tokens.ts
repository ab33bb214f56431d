import { prepareAll, type Statements } from "../../platform/sqlite.ts";
import { asHubError } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { CloudObjects } from "./cloud-objects.ts";
import { objectOf, textOf } from "./fields.ts";
import type { Pod } from "./pod.ts";

interface Row {
  readonly token: string;
  readonly given_at: number;
  readonly ends_at: number;
}

const day = 86_400_000;
const askAgainMs = 10_000;

/** Tokens of service accounts, bound to pods: kept on this node, asked for when absent or old. */
export class AccountTokens {
  readonly #agent: Agent;
  readonly #objects: CloudObjects;
  readonly #arrived: () => void;
  readonly #sql: Statements<"get" | "put">;
  readonly #asked = new Map<string, number>();

  /** @param arrived A token has come. */
  constructor(agent: Agent, objects: CloudObjects, arrived: () => void) {
    this.#agent = agent;
    this.#objects = objects;
    this.#arrived = arrived;
    this.#sql = prepareAll(agent.store.database, {
      get: "SELECT token, given_at, ends_at FROM edged_token WHERE uid = ? AND audience = ? AND seconds = ?",
      put: `INSERT OR REPLACE INTO edged_token (uid, audience, seconds, token, given_at, ends_at)
        VALUES (?, ?, ?, ?, ?, ?)`,
    });
  }

  /** @returns `undefined`: there is none yet. An old one is better than none while the cloud is away. */
  find(pod: Pod, audience: string, seconds: number): string | undefined {
    const row = this.#sql.get.get(pod.uid, audience, seconds) as Row | undefined;
    if (row === undefined || isOld(row, this.#agent.clock.wallTime())) this.#askSoon(pod, audience, seconds);
    return row?.token;
  }

  /** The link is up: what could not be had may be had by now. */
  connected(): void {
    this.#asked.clear();
  }

  #askSoon(pod: Pod, audience: string, seconds: number): void {
    const { clock, connected } = this.#agent;
    const key = `${pod.uid} ${seconds} ${audience}`;
    if (!connected || (this.#asked.get(key) ?? 0) > clock.now()) return;
    this.#asked.set(key, Number.POSITIVE_INFINITY);
    void this.#fetch(pod, audience, seconds)
      .catch((error: unknown) => {
        this.#agent.log.warn("a service account token could not be kept", {
          pod: pod.name,
          error: asHubError(error),
        });
      })
      .then(() => this.#asked.set(key, clock.now() + askAgainMs));
  }

  async #fetch(pod: Pod, audience: string, seconds: number): Promise<void> {
    const answer = await this.#objects.ask(`${pod.namespace}/serviceaccounttoken/${pod.serviceAccountName}`, {
      metadata: { creationTimestamp: null },
      spec: {
        audiences: audience === "" ? null : [audience],
        expirationSeconds: seconds,
        boundObjectRef: { kind: "Pod", apiVersion: "v1", name: pod.name, uid: pod.uid },
      },
      status: { token: "", expirationTimestamp: null },
    });
    const { token, expirationTimestamp } = objectOf(answer?.object.status);
    if (textOf(token) === "") return;
    const now = this.#agent.clock.wallTime();
    const endsAt = Date.parse(textOf(expirationTimestamp)) || now + seconds * 1_000;
    await this.#agent.store.write(() => this.#sql.put.run(pod.uid, audience, seconds, token, now, endsAt));
    this.#arrived();
  }
}

/**
 * At 80 % of its life, and after a day at the latest, a token is asked for anew, as at a kubelet; and when the clock was set
 * back, since nobody knows then.
 */
function isOld(row: Row, now: number): boolean {
  return now < row.given_at || now >= row.given_at + Math.min((row.ends_at - row.given_at) * 0.8, day);
}
