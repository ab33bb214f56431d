import { prepareAll, type Statements } from "../../platform/sqlite.ts";
import type { EdgeStore } from "./edge-store.ts";

/** A token of a service account, as the cloud gave it to a pod. Times are wall clock, ms since 1970. */
export interface StoredToken {
  readonly token: string;
  readonly givenAt: number;
  readonly endsAt: number;
}

/** Which token: audiences and seconds as they were asked for. */
export interface TokenKey {
  /** Of the pod that it is bound to. */
  readonly uid: string;
  /** Of {@link audienceOf}. */
  readonly audience: string;
  readonly seconds: number;
}

const day = 86_400_000;
const forgetAfterMs = 7 * day;

/** Tokens of service accounts that are bound to pods of this node. KubeEdge's MetaManager keeps them in `meta`. */
export class TokenTable {
  readonly #store: EdgeStore;
  readonly #sql: Statements<keyof typeof sqlTexts>;

  constructor(store: EdgeStore) {
    this.#store = store;
    this.#sql = prepareAll(store.database, sqlTexts);
  }

  get({ uid, audience, seconds }: TokenKey): StoredToken | undefined {
    return this.#sql.get.get(uid, audience, seconds) as StoredToken | undefined;
  }

  /** The one that lives longest, whatever life was asked for; `undefined`: none is alive. */
  longest({ uid, audience }: TokenKey, now: number): StoredToken | undefined {
    return this.#sql.longest.get(uid, audience, now) as StoredToken | undefined;
  }

  /** How many a pod has that have not ended. */
  alive(uid: string, now: number): number {
    return (this.#sql.count.get(uid, now) as { count: number }).count;
  }

  /**
   * Resolves when it is on the disk. Those that ended long ago are forgotten, of pods that are gone too.
   *
   * @param most With so many, those of this pod that have ended are forgotten at once.
   */
  async put(
    { uid, audience, seconds }: TokenKey,
    { token, givenAt, endsAt }: StoredToken,
    most = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    await this.#store.write(() => {
      this.#sql.prune.run(givenAt - forgetAfterMs);
      if (this.alive(uid, Number.NEGATIVE_INFINITY) >= most) this.#sql.pruneOf.run(uid, givenAt);
      this.#sql.put.run(uid, audience, seconds, token, givenAt, endsAt);
    });
  }
}

/** Audiences as a key; empty for none: the API server's own. */
export function audienceOf(audiences: readonly string[]): string {
  return audiences.length > 1 ? JSON.stringify([...audiences].sort()) : (audiences[0] ?? "");
}

/**
 * At 80 % of its life, and after a day at the latest, a token is asked for anew, as at a kubelet; and when the clock was set
 * back, since nobody knows then.
 */
export function isOld({ givenAt, endsAt }: StoredToken, now: number): boolean {
  return now < givenAt || now >= givenAt + Math.min((endsAt - givenAt) * 0.8, day);
}

const columns = "token, given_at AS givenAt, ends_at AS endsAt";
const sqlTexts = {
  get: `SELECT ${columns} FROM edged_token WHERE uid = ? AND audience = ? AND seconds = ?`,
  longest: `SELECT ${columns} FROM edged_token WHERE uid = ? AND audience = ? AND ends_at > ? ORDER BY ends_at DESC LIMIT 1`,
  count: "SELECT count(*) AS count FROM edged_token WHERE uid = ? AND ends_at > ?",
  prune: "DELETE FROM edged_token WHERE ends_at < ?",
  pruneOf: "DELETE FROM edged_token WHERE uid = ? AND ends_at <= ?",
  put: `INSERT OR REPLACE INTO edged_token (uid, audience, seconds, token, given_at, ends_at)
    VALUES (?, ?, ?, ?, ?, ?)`,
};
