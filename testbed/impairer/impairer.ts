import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type Clock, systemClock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import { Lane } from "./lane.ts";
import { Link, type LinkInfo, type LinkParts } from "./link.ts";
import type { Address, ImpairerOptions, ImpairerParts } from "./options.ts";
import { emptyTally, type Pipe, type PipeParts, type Tally } from "./pipe.ts";
import { type GivenProfile, type LinkProfile, resolveProfile } from "./profile.ts";
import { randomOf } from "./random.ts";

/** `up`: from who connects to the target. */
export type Direction = "up" | "down";

export interface ImpairerStats {
  /** Connections now, those that are still connecting included. */
  readonly links: number;
  readonly connecting: number;
  /** Connections accepted since the start. */
  readonly accepted: number;
  /** Connections turned away: the network was cut, or a limit reached. */
  readonly refused: number;
  readonly up: DirectionStats;
  readonly down: DirectionStats;
}

export interface DirectionStats extends Readonly<Tally> {
  readonly inFlightBytes: number;
  readonly frozen: boolean;
}

export interface Impairer {
  readonly port: number;
  /** For what is sent from now on; what is under way arrives when it would have. Throws `E_BAD_OPTION`. */
  set(profile: GivenProfile): void;
  /** Resets every connection; new ones are reset too, for `durationMs`. Default 0. */
  cut(durationMs?: number): void;
  /**
   * Delivers nothing more, and tells nobody; default: in both directions. Connections stay; new ones get no
   * answer. What is sent meanwhile arrives after `thaw`.
   */
  freeze(direction?: Direction): void;
  /** Goes on where it was frozen. Default: both directions. */
  thaw(direction?: Direction): void;
  links(): LinkInfo[];
  stats(): ImpairerStats;
  /** Resets all connections and frees the port. Can be called again. */
  close(): Promise<void>;
}

/**
 * A TCP proxy that behaves like a weak link; every connection has a link of its own, with the same profile.
 * Rejects with `E_PORT_TAKEN`, or `E_BAD_OPTION` for a wrong profile or an address that is not ours.
 */
export async function startImpairer(options: ImpairerOptions, parts: ImpairerParts = {}): Promise<Impairer> {
  const profile = resolveProfile(options.profile);
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const { port } = await listen(server, options.listen);
  return new TcpImpairer(server, parts.clock ?? systemClock, { ...options, profile, port });
}

interface Running extends ImpairerOptions {
  readonly profile: LinkProfile;
  readonly port: number;
}

class TcpImpairer implements Impairer {
  readonly port: number;
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #options: Running;
  readonly #lanes: Readonly<Record<Direction, Lane<Pipe>>> = { up: new Lane(), down: new Lane() };
  readonly #tallies: Readonly<Record<Direction, Tally>> = { up: emptyTally(), down: emptyTally() };
  readonly #linkParts: LinkParts;
  readonly #links = new Set<Link>();
  readonly #ended: Promise<void>;
  #profile: LinkProfile;
  #accepted = 0;
  #refused = 0;
  #cutUntil = Number.NEGATIVE_INFINITY;
  #closing = false;
  // The one timer. Invariant: armed for wakeAt or earlier, unless wakeAt is Infinity.
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake = (): void => {};

  constructor(server: Server, clock: Clock, options: Running) {
    this.port = options.port;
    this.#server = server;
    this.#clock = clock;
    this.#options = options;
    this.#profile = options.profile;
    this.#ended = new Promise((resolve) => server.once("close", resolve));
    this.#linkParts = {
      up: this.#partsOf("up"),
      down: this.#partsOf("down"),
      dial: () => this.#dial(),
      closed: (link) => void this.#links.delete(link),
    };
    server.on("connection", (socket) => this.#connected(socket));
    // Accepting failed, for want of file descriptors.
    server.on("error", () => {
      this.#refused += 1;
    });
  }

  set(given: GivenProfile): void {
    this.#profile = resolveProfile(given);
    for (const link of this.#links) link.set(this.#profile);
  }

  cut(durationMs = 0): void {
    this.#cutUntil = Math.max(this.#cutUntil, this.#clock.now() + durationMs);
    for (const link of this.#links) link.cut();
  }

  freeze(direction?: Direction): void {
    for (const lane of this.#lanesOf(direction)) lane.freeze(this.#clock.now());
  }

  thaw(direction?: Direction): void {
    for (const lane of this.#lanesOf(direction)) lane.thaw(this.#clock.now());
    if (!this.#isFrozen()) for (const link of this.#links) link.retry();
    this.#wake();
  }

  links(): LinkInfo[] {
    return Array.from(this.#links, (link) => link.info());
  }

  stats(): ImpairerStats {
    return {
      links: this.#links.size,
      connecting: this.#connecting(),
      accepted: this.#accepted,
      refused: this.#refused,
      up: this.#statsOf("up"),
      down: this.#statsOf("down"),
    };
  }

  close(): Promise<void> {
    if (this.#closing) return this.#ended;
    this.#closing = true;
    this.#cancelWake();
    this.#server.close();
    for (const link of this.#links) link.cut();
    return this.#ended;
  }

  #connected(socket: Socket): void {
    if (this.#isFull() || this.#clock.now() < this.#cutUntil) {
      this.#refused += 1;
      socket.on("error", () => {});
      socket.resetAndDestroy();
      return;
    }
    this.#accepted += 1;
    const link = new Link(socket, this.#linkParts, {
      id: this.#accepted,
      profile: this.#profile,
      randomUp: randomOf(this.#options.seed, 2 * this.#accepted),
      randomDown: randomOf(this.#options.seed, 2 * this.#accepted + 1),
      whileFrozen: this.#isFrozen(),
    });
    this.#links.add(link);
    link.start();
  }

  #dial(): Socket | undefined {
    if (this.#isFrozen()) return undefined;
    return connect({ ...this.#options.target, allowHalfOpen: true, noDelay: true });
  }

  #isFrozen(): boolean {
    return this.#lanes.up.isFrozen() || this.#lanes.down.isFrozen();
  }

  #isFull(): boolean {
    const { maxLinks = 10_000, maxWaitingLinks = 2_048 } = this.#options;
    return this.#links.size >= maxLinks || (this.#isFrozen() && this.#connecting() >= maxWaitingLinks);
  }

  #connecting(): number {
    let count = 0;
    for (const link of this.#links) if (link.isConnecting()) count += 1;
    return count;
  }

  #lanesOf(direction: Direction | undefined): readonly Lane<Pipe>[] {
    return direction === undefined ? [this.#lanes.up, this.#lanes.down] : [this.#lanes[direction]];
  }

  #partsOf(direction: Direction): PipeParts {
    return {
      clock: this.#clock,
      lane: this.#lanes[direction],
      tally: this.#tallies[direction],
      changed: () => this.#arm(),
    };
  }

  #statsOf(direction: Direction): DirectionStats {
    const tally = this.#tallies[direction];
    const inFlightBytes = tally.acceptedBytes - tally.deliveredBytes - tally.droppedBytes;
    return { ...tally, inFlightBytes, frozen: this.#lanes[direction].isFrozen() };
  }

  /** Lets everything run that is due, in both directions. */
  #wake(): void {
    this.#cancelWake();
    // What runs says that something changed; it is looked at once, at the end.
    this.#wakeAt = Number.NEGATIVE_INFINITY;
    const now = this.#clock.now();
    for (const lane of this.#lanesOf(undefined)) {
      for (let pipe = lane.take(now); pipe !== undefined; pipe = lane.take(now)) pipe.run();
    }
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#arm();
  }

  /** A timer that is armed too early does no harm, and so stays. */
  #arm(): void {
    const wakeAt = Math.min(this.#lanes.up.nextWakeAt(), this.#lanes.down.nextWakeAt());
    if (wakeAt >= this.#wakeAt) return;
    this.#cancelWake();
    this.#wakeAt = wakeAt;
    this.#cancelWake = this.#clock.after(Math.max(1, Math.ceil(wakeAt - this.#clock.now())), () =>
      this.#wake(),
    );
  }
}

function listen(server: Server, { host, port }: Address): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const code = error.code === "EADDRINUSE" ? "E_PORT_TAKEN" : "E_BAD_OPTION";
      reject(new HubError(code, `cannot listen on ${host}:${port}: ${error.message}`, { cause: error }));
    };
    server.once("error", failed);
    server.listen({ host, port, backlog: 4_096 }, () => {
      server.off("error", failed);
      const address = server.address();
      if (address === null || typeof address === "string") return failed(new Error("no port"));
      resolve(address);
    });
  });
}
