import { readFileSync } from "node:fs";
import { type Clock, pause } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { asHubError, Backoff, HubError, type NodeId, parseJoinToken } from "../protocol/index.ts";
import { type Identity, join, loadIdentity, renew, renewAt } from "./join.ts";
import type { EdgeOptions } from "./options.ts";

export interface MembershipParts {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** A hub that had turned this node away has given it a new identity. */
  readonly welcomedBack: () => void;
}

/** After a failed renewal the next try comes so much later. */
const renewRetryMs = 60_000;
/** A long wait is taken in steps: the wall clock may jump meanwhile. */
const longestWaitMs = 3_600_000;
/** A node that could not join again asks once more so much later. */
const rejoinRetryMs = 30_000;
/** One that could, and is turned away all the same, asks again so much later, then after twice as long, … */
const rejoinPause = { firstMs: 60_000, longestMs: 3_600_000 };

/** This node's identity at its hub: joins, renews, and joins again when the hub does not accept it any more. */
export class Membership {
  readonly #parts: MembershipParts;
  readonly #options: EdgeOptions;
  readonly #stopping = new AbortController();
  #identity: Identity | undefined;
  #underWay: Promise<void> = Promise.resolve();
  #isJoining = false;
  #cancelRenewal: () => void = () => {};
  /** Not before this moment anything is done about being turned away. */
  #rejoinAt = 0;
  #rejoinPauseMs = rejoinPause.firstMs;

  /** Reads what is on the disk. Throws `E_STORE_CORRUPT`, or `E_BAD_OPTION` if there is neither identity nor token. */
  constructor(parts: MembershipParts, options: EdgeOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#identity = openIdentity(options, parts.node);
  }

  /** `undefined`: this node has never joined. */
  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Joins, as often as it takes. Resolves at once if this node has joined; also when it is stopped. */
  join(): Promise<void> {
    return this.#identity === undefined ? this.#run(this.#join()) : Promise.resolve();
  }

  /** Renews the certificate when most of its time is over. */
  keepFresh(): void {
    this.#cancelRenewal();
    const identity = this.#identity;
    if (identity === undefined || !this.#options.renewCertificate || this.#stopping.signal.aborted) return;
    const { clock } = this.#parts;
    const inMs = Math.max(renewAt(identity) - clock.wallTime(), 0);
    this.#cancelRenewal = clock.after(Math.min(inMs, longestWaitMs), () => {
      if (inMs > longestWaitMs) this.keepFresh();
      else void this.#run(this.#renew(identity));
    });
  }

  /** The hub has let this node in. */
  accepted(): void {
    this.#rejoinAt = 0;
    this.#rejoinPauseMs = rejoinPause.firstMs;
  }

  /**
   * The hub does not accept this node, or does not prove to be the one it joined. With a token that can help the node
   * joins again; without one only people can help, and they are told how.
   */
  turnedAway(error: HubError): void {
    const { clock, log } = this.#parts;
    if (this.#isJoining || this.#stopping.signal.aborted || clock.now() < this.#rejoinAt) return;
    this.#rejoinAt = clock.now() + rejoinRetryMs;
    if (!this.#hasToken) {
      log.error(
        "the hub does not accept this node's certificate; set hub.token to one made for this node (at the hub: hubctl token create --node NAME), and start again",
        { error },
      );
    } else if (!error.retryable || this.#tokenIsForAnotherHub()) void this.#run(this.#rejoin());
  }

  /** Ends what is under way. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelRenewal();
    await this.#underWay;
  }

  get #hasToken(): boolean {
    const { token, tokenFile } = this.#options.hub;
    return token !== "" || tokenFile !== "";
  }

  async #join(): Promise<void> {
    const { hub } = this.#options;
    const { clock, log, random } = this.#parts;
    const backoff = new Backoff({ minMs: hub.reconnectMinMs, maxMs: hub.reconnectMaxMs }, random);
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#joinOnce("joined");
        return;
      } catch (error) {
        if (signal.aborted) return;
        const delayMs = backoff.next();
        const failure = asHubError(error);
        const say = failure.retryable ? log.warn : log.error;
        say("cannot join the hub", { error: failure, retryInMs: Math.round(delayMs) });
        await pause(clock, delayMs, signal);
      }
    }
  }

  async #rejoin(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#stopping;
    this.#isJoining = true;
    try {
      await this.#joinOnce("joined again");
      this.#rejoinAt = clock.now() + this.#rejoinPauseMs;
      this.#rejoinPauseMs = Math.min(2 * this.#rejoinPauseMs, rejoinPause.longestMs);
      if (signal.aborted) return;
      this.keepFresh();
      this.#parts.welcomedBack();
    } catch (error) {
      if (!signal.aborted)
        log.error("the hub does not accept this node's certificate, and it could not join again", {
          error: asHubError(error),
        });
    } finally {
      this.#isJoining = false;
    }
  }

  async #joinOnce(event: string): Promise<void> {
    const { hub, dataDir } = this.#options;
    const { clock, log, node } = this.#parts;
    const identity = await join(
      { url: hub.join, token: tokenOf(hub), node, directory: dataDir },
      { clock, signal: this.#stopping.signal },
    );
    this.#identity = { ...identity, node };
    log.info(event, { hub: hub.join, certificateEndsAt: new Date(identity.notAfter).toISOString() });
  }

  async #renew(identity: Identity): Promise<void> {
    const { clock, log, node } = this.#parts;
    const { signal } = this.#stopping;
    const { hub, dataDir: directory } = this.#options;
    try {
      const renewed = await renew(identity, hub.join, { clock, signal, directory });
      this.#identity = { ...renewed, node };
      log.info("certificate renewed", { certificateEndsAt: new Date(renewed.notAfter).toISOString() });
      this.keepFresh();
    } catch (error) {
      if (signal.aborted) return;
      log.error("the certificate could not be renewed", {
        error: asHubError(error),
        endsAt: new Date(identity.notAfter).toISOString(),
        retryInMs: renewRetryMs,
      });
      this.#cancelRenewal = clock.after(renewRetryMs, () => void this.#run(this.#renew(identity)));
    }
  }

  /** @param work Never rejects. */
  #run(work: Promise<void>): Promise<void> {
    this.#underWay = Promise.all([this.#underWay, work]).then(() => undefined);
    return work;
  }

  /** A server that is not the hub this node joined may be the one it is told to join now: one that was built anew. */
  #tokenIsForAnotherHub(): boolean {
    try {
      return parseJoinToken(tokenOf(this.#options.hub)).caHash !== this.#identity?.caHash;
    } catch {
      return false;
    }
  }
}

function openIdentity(options: EdgeOptions, node: NodeId): Identity | undefined {
  const { dataDir, hub } = options;
  const identity = loadIdentity(dataDir);
  if (identity !== undefined && identity.node !== node) {
    throw new HubError(
      "E_BAD_OPTION",
      `${dataDir} belongs to node ${identity.node}, the configuration says ${node}; set node: ${identity.node}, or use another dataDir`,
    );
  }
  if (identity === undefined && hub.token === "" && hub.tokenFile === "") {
    throw new HubError(
      "E_BAD_OPTION",
      "this node has not joined yet: set hub.token; the hub's operator makes one with: hubctl token create",
    );
  }
  return identity;
}

function tokenOf(hub: EdgeOptions["hub"]): string {
  if (hub.token !== "") return hub.token;
  try {
    return readFileSync(hub.tokenFile, "utf8").trim();
  } catch (cause) {
    throw new HubError("E_BAD_OPTION", `cannot read hub.tokenFile ${hub.tokenFile}`, { cause });
  }
}
