import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type Clock, systemClock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import type { ImpairerOptions, ImpairerParts } from "./options.ts";
import { Path } from "./path.ts";
import { type GivenProfile, type LinkProfile, resolveProfile } from "./profile.ts";
import { randomOf } from "./random.ts";

export interface UdpImpairerOptions extends Omit<ImpairerOptions, "maxWaitingLinks"> {
  /** Longer datagrams vanish, in both directions; bytes of payload. Default: none is too long. */
  readonly maxDatagramBytes?: number;
}

export interface UdpImpairerStats {
  /** Clients seen and not forgotten. */
  readonly links: number;
  readonly passed: number;
  /** By chance. */
  readonly lost: number;
  /** For want of room in the queue. */
  readonly overflowed: number;
  readonly tooLong: number;
  readonly blocked: number;
  readonly longestBytes: number;
}

export interface UdpImpairer {
  readonly port: number;
  /** For what is sent from now on. Throws `E_BAD_OPTION`. */
  set(profile: GivenProfile): void;
  /** Lets nothing through any more, and tells nobody. */
  block(): void;
  unblock(): void;
  stats(): UdpImpairerStats;
  close(): Promise<void>;
}

/**
 * A relay for UDP that behaves like a weak link: every datagram is delayed, lost, queued or dropped by itself, as the
 * network does it. Each client has a link of its own, with the same profile. Rejects as `startImpairer`.
 */
export async function startUdpImpairer(
  options: UdpImpairerOptions,
  parts: ImpairerParts = {},
): Promise<UdpImpairer> {
  const profile = resolveProfile(options.profile);
  const socket = createSocket("udp4");
  const { host, port } = options.listen;
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const code = error.code === "EADDRINUSE" ? "E_PORT_TAKEN" : "E_BAD_OPTION";
      reject(new HubError(code, `cannot listen on ${host}:${port}/udp: ${error.message}`, { cause: error }));
    };
    socket.once("error", failed);
    socket.bind(port, host, () => {
      socket.off("error", failed);
      resolve();
    });
  });
  return new Relay(socket, parts.clock ?? systemClock, { ...options, profile });
}

interface Link {
  readonly up: Path;
  readonly down: Path;
  /** Towards the target. */
  readonly socket: Socket;
}

class Relay implements UdpImpairer {
  readonly port: number;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #options: UdpImpairerOptions;
  readonly #links = new Map<string, Link>();
  readonly #counts = { passed: 0, lost: 0, overflowed: 0, tooLong: 0, blocked: 0, longestBytes: 0 };
  #profile: LinkProfile;
  #isBlocked = false;
  #isClosed = false;
  #seen = 0;

  constructor(socket: Socket, clock: Clock, options: UdpImpairerOptions & { profile: LinkProfile }) {
    this.port = socket.address().port;
    this.#socket = socket;
    this.#clock = clock;
    this.#options = options;
    this.#profile = options.profile;
    socket.on("message", (datagram, from) => this.#fromClient(datagram, from));
    // A datagram that cannot be sent is one that got lost.
    socket.on("error", () => undefined);
  }

  set(given: GivenProfile): void {
    this.#profile = resolveProfile(given);
    for (const { up, down } of this.#links.values()) {
      up.set(this.#profile.up);
      down.set(this.#profile.down);
    }
  }

  block(): void {
    this.#isBlocked = true;
  }

  unblock(): void {
    this.#isBlocked = false;
  }

  stats(): UdpImpairerStats {
    return { links: this.#links.size, ...this.#counts };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { socket } of this.#links.values()) socket.close();
    this.#links.clear();
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #fromClient(datagram: Buffer, from: RemoteInfo): void {
    const link = this.#linkOf(from);
    if (link === undefined) return;
    const { host, port } = this.#options.target;
    this.#carry(datagram, link.up, this.#profile.up.queueBytes, () => link.socket.send(datagram, port, host));
  }

  #linkOf(from: RemoteInfo): Link | undefined {
    const key = `${from.address}:${from.port}`;
    const known = this.#links.get(key);
    if (known) return known;
    if (this.#links.size >= (this.#options.maxLinks ?? 10_000)) return undefined;
    const number = ++this.#seen;
    const link: Link = {
      up: new Path(this.#profile.up, randomOf(this.#options.seed, 2 * number)),
      down: new Path(this.#profile.down, randomOf(this.#options.seed, 2 * number + 1)),
      socket: createSocket("udp4"),
    };
    link.socket.on("error", () => undefined);
    link.socket.on("message", (datagram) =>
      this.#carry(datagram, link.down, this.#profile.down.queueBytes, () =>
        this.#socket.send(datagram, from.port, from.address),
      ),
    );
    this.#links.set(key, link);
    return link;
  }

  #carry(datagram: Buffer, path: Path, queueBytes: number, send: () => void): void {
    const { length } = datagram;
    this.#counts.longestBytes = Math.max(this.#counts.longestBytes, length);
    const now = this.#clock.now();
    if (this.#isBlocked) this.#counts.blocked++;
    else if (length > (this.#options.maxDatagramBytes ?? Number.POSITIVE_INFINITY)) this.#counts.tooLong++;
    else if (length > queueBytes || path.roomAt() > now) this.#counts.overflowed++;
    else if (path.loses()) this.#counts.lost++;
    else {
      this.#counts.passed++;
      this.#clock.after(Math.max(path.pass(now, length) - now, 0), () => {
        if (!this.#isClosed) send();
      });
    }
  }
}
