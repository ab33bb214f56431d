import { HubError, type JoinTokenView, type NodeId } from "../../protocol/index.ts";

/** What the hub remembers of a join token. Not its text: whoever reads the database cannot join with it. */
export interface JoinTokenRecord {
  /** Wall clock, ms since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly revokedAt?: number;
  /** How many machines may still join with it; absent: any number. */
  readonly usesLeft?: number;
  /** The only node that may join with it; absent: any. */
  readonly node?: NodeId;
  readonly labels: Readonly<Record<string, string>>;
  /** Who joined with it, the latest ones, oldest first. */
  readonly usedBy: readonly TokenUse[];
}

export interface TokenUse {
  readonly node: NodeId;
  /** SHA-256 of the key that was certified, hex. */
  readonly keyHash: string;
  /** Wall clock, ms since 1970. */
  readonly at: number;
}

/** So many uses a record remembers. */
const maxUses = 100;

/**
 * Decides whether a machine may join with a token, at a moment at which its signature and its time are good.
 *
 * @returns The record after it; the same one if this machine has used the token already with the same key: it
 *   asks again because the answer was lost, and gets another certificate for nothing.
 * Throws `E_REVOKED`, `E_FORBIDDEN` if it is another node's, or `E_TOKEN_USED_UP`.
 */
export function spend(record: JoinTokenRecord, use: TokenUse): JoinTokenRecord {
  if (record.revokedAt !== undefined) {
    throw new HubError("E_REVOKED", "the token has been revoked; ask for a new one: hubctl token create");
  }
  if (record.node !== undefined && record.node !== use.node) {
    const advice = `join under that name, or ask for another token: hubctl token create --node ${use.node}`;
    throw new HubError("E_FORBIDDEN", `the token is for node ${record.node} only; ${advice}`);
  }
  if (record.usedBy.some((one) => one.node === use.node && one.keyHash === use.keyHash)) return record;
  const usedBy = [...record.usedBy, use].slice(-maxUses);
  if (record.usesLeft === undefined) return { ...record, usedBy };
  if (record.usesLeft > 0) return { ...record, usedBy, usesLeft: record.usesLeft - 1 };
  const advice = "ask for a new one: hubctl token create";
  throw new HubError("E_TOKEN_USED_UP", `the token has been used as often as it may be; ${advice}`);
}

/** The record as operators see it. */
export function tokenView(id: string, record: JoinTokenRecord): JoinTokenView {
  return {
    id,
    createdAt: record.createdAt,
    expiresAt: record.expiresAt,
    revokedAt: record.revokedAt,
    usesLeft: record.usesLeft,
    node: record.node,
    labels: record.labels,
    usedBy: record.usedBy.map(({ node, at }) => ({ node, at })),
  };
}
