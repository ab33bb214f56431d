import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { HubError, type Rights, requireRights, shown } from "../protocol/index.ts";
import type { HubStore, RecordStore } from "./store/hub-store.ts";

/** A controller as the hub remembers it; its token is not kept, only its hash. */
export interface ControllerRecord {
  readonly rights: Rights;
  /** SHA-256 of the token, hex. */
  readonly tokenHash: string;
  /** Wall clock, ms since 1970. */
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
}

/** A controller that has proved who it is. */
export interface Identified {
  readonly name: string;
  readonly rights: Rights;
}

const namePattern = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;

/** Controllers and their rights. A token reads `<name>.<secret>`. */
export class Credentials {
  readonly #records: RecordStore<ControllerRecord>;

  constructor(store: HubStore) {
    this.#records = store.records<ControllerRecord>("controller");
  }

  /**
   * Creates a controller, or gives an existing one new rights and a new token.
   *
   * @returns The token: the only time it is seen.
   */
  async create(
    name: string,
    rights: Rights,
    at: { now: number; ttlMs?: number | undefined },
  ): Promise<string> {
    if (!namePattern.test(name))
      throw new HubError("E_BAD_MESSAGE", `a controller's name must be a DNS label, got ${shown(name)}`);
    const token = `${name}.${randomBytes(32).toString("base64url")}`;
    const record = { rights: requireRights(rights), tokenHash: hashOf(token), createdAt: at.now };
    await this.#records.put(
      name,
      at.ttlMs === undefined ? record : { ...record, expiresAt: at.now + at.ttlMs },
    );
    return token;
  }

  async list(): Promise<(Omit<ControllerRecord, "tokenHash"> & { name: string })[]> {
    return (await this.#records.list()).map(({ name, value: { tokenHash: _, ...rest } }) => ({
      name,
      ...rest,
    }));
  }

  /** @returns False if there is none of that name. */
  async revoke(name: string, now: number): Promise<boolean> {
    const found = await this.#records.get(name);
    if (found === undefined) return false;
    await this.#records.put(name, { ...found.value, revokedAt: now });
    return true;
  }

  /** Who holds this token. Throws `E_BAD_TOKEN`, `E_TOKEN_EXPIRED` or `E_REVOKED`. */
  async byToken(token: string, now: number): Promise<Identified> {
    const name = token.slice(0, token.lastIndexOf("."));
    const record = namePattern.test(name) ? (await this.#records.get(name))?.value : undefined;
    const given = Buffer.from(hashOf(token), "hex");
    if (record === undefined || !timingSafeEqual(given, Buffer.from(record.tokenHash, "hex"))) {
      throw new HubError(
        "E_BAD_TOKEN",
        "the controller's token is not known here; create one with: hubctl controller create",
      );
    }
    return alive(name, record, now);
  }

  /** Throws `E_NOT_FOUND` if there is none of that name, or as {@link byToken}. */
  async requireKnown(name: string, now: number): Promise<void> {
    const record = (await this.#records.get(name))?.value;
    if (record === undefined)
      throw new HubError(
        "E_NOT_FOUND",
        `no controller is called ${shown(name)}; create it first, with its rights: hubctl controller create`,
      );
    alive(name, record, now);
  }

  /** The controller a certificate names. Throws `E_IDENTITY`, `E_TOKEN_EXPIRED` or `E_REVOKED`. */
  async byName(name: string, now: number): Promise<Identified> {
    const record = (await this.#records.get(name))?.value;
    if (record === undefined) throw new HubError("E_IDENTITY", `no controller is called ${name} here`);
    return alive(name, record, now);
  }
}

function alive(name: string, record: ControllerRecord, now: number): Identified {
  if (record.revokedAt !== undefined) throw new HubError("E_REVOKED", `controller ${name} has been revoked`);
  if (record.expiresAt !== undefined && record.expiresAt <= now) {
    throw new HubError(
      "E_TOKEN_EXPIRED",
      `the time given to controller ${name} is over; renew it with: hubctl controller create ${name} --replace`,
    );
  }
  return { name, rights: record.rights };
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
