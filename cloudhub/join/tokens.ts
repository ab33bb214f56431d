import { randomBytes } from "node:crypto";
import type { Clock } from "../../platform/clock.ts";
import { KeyedLanes } from "../../platform/keyed-lanes.ts";
import { formatJoinToken, HubError, type JoinTokenView, type NodeId, shown } from "../../protocol/index.ts";
import type { RecordStore, Stored } from "../store/hub-store.ts";
import type { Authority } from "./authority.ts";
import { type JoinTokenRecord, spend, tokenView } from "./token-record.ts";

/** Loaded when the first machine joins, or the first token is made: a hub that starts again serves its nodes sooner. */
const jose = (): Promise<typeof import("jose")> => import("jose");

export interface JoinTokensParts {
  readonly records: RecordStore<JoinTokenRecord>;
  readonly authority: Pick<Authority, "caHash" | "tokenKey">;
  readonly clock: Clock;
}

export interface JoinTokensOptions {
  /**
   * Accept tokens without an id, as a KubeEdge cloud with the same CA issues them: they cannot be limited or
   * revoked. Default false.
   */
  readonly acceptUnrecorded?: boolean;
}

export interface JoinTokenTerms {
  /** How long it is good for, ms: 1 second to 10 years. */
  readonly ttlMs: number;
  /** How many machines may join with it, from 1; default: any number. */
  readonly uses?: number;
  /** Only this node may join with it, again too. */
  readonly node?: NodeId;
  /** Labels of the nodes that join with it. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** A token whose signature and time are good. */
export interface VerifiedToken {
  /** Names its record; `undefined`: it was not issued by this hub's {@link JoinTokens}. */
  readonly id: string | undefined;
}

/** Who redeems a token. */
export interface Redeemer {
  readonly node: NodeId;
  /** SHA-256 of the key to be certified, hex. */
  readonly keyHash: string;
}

const maxTtlMs = 3_650 * 86_400_000;
/** Records are kept so long after their token has expired, for people to look at. */
const keepMs = 30 * 86_400_000;
/** Only other processes can come between reading and writing a record; so many times in a row none does. */
const maxAttempts = 50;

/**
 * Join tokens: `<CA hash>.<JWT>`, signed with HS256 and the CA's key as at KubeEdge. The claims are `exp` and `jti`;
 * all else is in a record under the `jti`. The text itself is given out once and kept nowhere.
 */
export class JoinTokens {
  readonly #parts: JoinTokensParts;
  readonly #acceptUnrecorded: boolean;
  readonly #lanes = new KeyedLanes();

  constructor(parts: JoinTokensParts, options: JoinTokensOptions = {}) {
    this.#parts = parts;
    this.#acceptUnrecorded = options.acceptUnrecorded ?? false;
  }

  /**
   * Makes a token, and forgets the records of those that expired more than 30 days ago.
   *
   * @returns Its id, its text – the only time it is seen – and its end, wall clock in ms since 1970.
   * Rejects with `E_BAD_MESSAGE` for terms out of bounds.
   */
  async create(terms: JoinTokenTerms): Promise<{ id: string; token: string; expiresAt: number }> {
    requireTerms(terms);
    const { records, authority, clock } = this.#parts;
    const now = clock.wallTime();
    const expiresAt = Math.floor((now + terms.ttlMs) / 1000) * 1000;
    const id = randomBytes(8).toString("hex");
    const { SignJWT } = await jose();
    const jwt = await new SignJWT({ exp: expiresAt / 1000, jti: id })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .sign(authority.tokenKey);
    const record: JoinTokenRecord = {
      createdAt: now,
      expiresAt,
      labels: terms.labels ?? {},
      usedBy: [],
      ...(terms.uses === undefined ? {} : { usesLeft: terms.uses }),
      ...(terms.node === undefined ? {} : { node: terms.node }),
    };
    await this.#prune(now);
    await records.put(id, record, 0);
    return { id, token: formatJoinToken({ caHash: authority.caHash, jwt }), expiresAt };
  }

  /** All tokens that are remembered, expired and revoked ones too. */
  async list(): Promise<JoinTokenView[]> {
    return (await this.#parts.records.list()).map(({ name, value }) => tokenView(name, value));
  }

  /** Nobody joins with it any more. @returns False if there is none of that id. */
  async revoke(id: string): Promise<boolean> {
    const revokedAt = this.#parts.clock.wallTime();
    const changed = await this.#change(id, (record) => ({ revokedAt, ...record }));
    return changed !== undefined;
  }

  /** Checks a token's signature and time. Rejects as {@link verifyJoinToken}. */
  verify(jwt: string): Promise<VerifiedToken> {
    return verifyJoinToken(jwt, this.#parts.authority.tokenKey, this.#parts.clock.wallTime());
  }

  /**
   * What redeeming the token would say; nothing is changed.
   *
   * @returns Whether it was made for this very node, or redeemed for it and this key before: then it does not
   *   matter that the node has joined already.
   * Rejects as {@link redeem}.
   */
  async check(jwt: string, redeemer: Redeemer): Promise<{ entitles: boolean }> {
    const record = await this.#recordOf(jwt);
    if (record === undefined) return { entitles: false };
    const spent = spend(record, { ...redeemer, at: this.#parts.clock.wallTime() });
    return { entitles: record.node === redeemer.node || spent === record };
  }

  /**
   * Uses a token once. Whoever redeems it again for the same node and key uses it no second time.
   *
   * @returns The labels it gives to the node.
   * Rejects with `E_BAD_TOKEN`, `E_TOKEN_EXPIRED`, `E_REVOKED`, `E_TOKEN_USED_UP`, or `E_FORBIDDEN` if it is
   * another node's.
   */
  async redeem(jwt: string, redeemer: Redeemer): Promise<Readonly<Record<string, string>>> {
    const { id } = await this.verify(jwt);
    if (id === undefined) return this.#unrecorded();
    const use = { ...redeemer, at: this.#parts.clock.wallTime() };
    const spent = await this.#change(id, (record) => spend(record, use));
    if (spent === undefined) throw unknownToken();
    return spent.labels;
  }

  async #recordOf(jwt: string): Promise<JoinTokenRecord | undefined> {
    const { id } = await this.verify(jwt);
    if (id === undefined) {
      this.#unrecorded();
      return undefined;
    }
    const found = await this.#parts.records.get(id);
    if (found === undefined) throw unknownToken();
    return found.value;
  }

  /** @returns The labels of a token that has no record: none. */
  #unrecorded(): Readonly<Record<string, string>> {
    if (this.#acceptUnrecorded) return {};
    throw new HubError(
      "E_BAD_TOKEN",
      "the token was issued by a KubeEdge cloud; get one with hubctl token create, or set join.acceptUnrecordedTokens",
    );
  }

  /**
   * Changes a record by compare-and-set: two that want the last use of a token do not both get it, in one process
   * or in two.
   *
   * @returns The record as it is now; `undefined` if there is none. Rejects with what `change` throws.
   */
  #change(
    id: string,
    change: (record: JoinTokenRecord) => JoinTokenRecord,
  ): Promise<JoinTokenRecord | undefined> {
    return this.#lanes.run(id, async () => {
      for (let attempt = 0; attempt < maxAttempts; attempt++) {
        const found: Stored<JoinTokenRecord> | undefined = await this.#parts.records.get(id);
        if (found === undefined) return undefined;
        const changed = change(found.value);
        if (changed === found.value) return changed;
        if (await this.#parts.records.put(id, changed, found.revision)) return changed;
      }
      throw new HubError("E_STORAGE", `token ${id} is being changed by others all the time; try again`);
    });
  }

  async #prune(now: number): Promise<void> {
    for (const { name, value } of await this.#parts.records.list()) {
      if (value.expiresAt + keepMs < now) await this.#parts.records.delete(name);
    }
  }
}

/**
 * Checks a join token's signature and time, as KubeEdge does: any HMAC algorithm, no claim is needed.
 *
 * @param key The CA's private key, SEC1 DER.
 * @param now Wall clock, ms since 1970.
 * Rejects with `E_TOKEN_EXPIRED`, or `E_BAD_TOKEN` for everything else. No error shows the token.
 */
export async function verifyJoinToken(jwt: string, key: Uint8Array, now: number): Promise<VerifiedToken> {
  const { errors, jwtVerify } = await jose();
  try {
    const { payload } = await jwtVerify(jwt, key, {
      algorithms: ["HS256", "HS384", "HS512"],
      currentDate: new Date(now),
    });
    return { id: typeof payload.jti === "string" ? payload.jti : undefined };
  } catch (cause) {
    if (cause instanceof errors.JWTExpired) {
      throw new HubError("E_TOKEN_EXPIRED", "the token has expired; ask for a new one: hubctl token create", {
        cause,
      });
    }
    if (cause instanceof errors.JWTClaimValidationFailed) {
      throw new HubError(
        "E_BAD_TOKEN",
        "the token is not valid yet, or its claims are wrong; check the clocks",
      );
    }
    throw new HubError(
      "E_BAD_TOKEN",
      "the token is malformed or not signed by this hub; ask for a new one: hubctl token create",
      { cause },
    );
  }
}

function unknownToken(): HubError {
  return new HubError(
    "E_BAD_TOKEN",
    "this hub does not know the token; ask for a new one: hubctl token create",
  );
}

function requireTerms({ ttlMs, uses }: JoinTokenTerms): void {
  if (!(ttlMs >= 1000 && ttlMs <= maxTtlMs)) {
    throw new HubError("E_BAD_MESSAGE", `ttlMs must be 1000..${maxTtlMs}, got ${shown(ttlMs)}`);
  }
  if (uses !== undefined && !(Number.isSafeInteger(uses) && uses >= 1)) {
    throw new HubError("E_BAD_MESSAGE", `uses must be a whole number from 1, got ${shown(uses)}`);
  }
}
