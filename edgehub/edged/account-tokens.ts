import { asHubError } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { isOld, TokenTable } from "../store/token-table.ts";
import type { CloudObjects } from "./cloud-objects.ts";
import { objectOf, textOf } from "./fields.ts";
import type { Pod } from "./pod.ts";

const askAgainMs = 10_000;

/** Tokens of service accounts, bound to pods: kept on this node, asked for when absent or old. */
export class AccountTokens {
  readonly #agent: Agent;
  readonly #objects: CloudObjects;
  readonly #arrived: () => void;
  readonly #tokens: TokenTable;
  readonly #asked = new Map<string, number>();

  /** @param arrived A token has come. */
  constructor(agent: Agent, objects: CloudObjects, arrived: () => void) {
    this.#agent = agent;
    this.#objects = objects;
    this.#arrived = arrived;
    this.#tokens = new TokenTable(agent.store);
  }

  /** @returns `undefined`: there is none yet. An old one is better than none while the cloud is away. */
  find(pod: Pod, audience: string, seconds: number): string | undefined {
    const found = this.#tokens.get({ uid: pod.uid, audience, seconds });
    if (found === undefined || isOld(found, this.#agent.clock.wallTime()))
      this.#askSoon(pod, audience, seconds);
    return found?.token;
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
    const givenAt = this.#agent.clock.wallTime();
    const endsAt = Date.parse(textOf(expirationTimestamp)) || givenAt + seconds * 1_000;
    await this.#tokens.put({ uid: pod.uid, audience, seconds }, { token: textOf(token), givenAt, endsAt });
    this.#arrived();
  }
}
