import type { Socket } from "node:net";
import { Path } from "./path.ts";
import { Pipe, type PipeParts, reset } from "./pipe.ts";
import { type LinkProfile, roundTripMs } from "./profile.ts";
import { handshakeMs, StreamPath } from "./stream-path.ts";

export interface LinkInfo {
  /** Counts from 1, in the order of arrival; picks the random numbers, with the seed. */
  readonly id: number;
  /** Address and port of who connected. */
  readonly client: string;
  /** `connecting`: the handshake is not over, the target knows nothing yet. */
  readonly state: "connecting" | "open";
  readonly upInFlightBytes: number;
  readonly downInFlightBytes: number;
}

export interface LinkParts {
  readonly up: PipeParts;
  readonly down: PipeParts;
  /** Connects to the target; `undefined`: the network is frozen, {@link Link.retry} follows. */
  dial(): Socket | undefined;
  /** Both sockets are closed. */
  closed(link: Link): void;
}

export interface LinkOptions {
  readonly id: number;
  readonly profile: LinkProfile;
  readonly randomUp: () => number;
  readonly randomDown: () => number;
  /** Whether the client connects into a frozen network, and so cannot have been connected before it thaws. */
  readonly whileFrozen: boolean;
}

/** One connection through the impairer: the client's socket, the target's, and a pipe each way. */
export class Link {
  readonly id: number;
  readonly #client: Socket;
  readonly #clientAddress: string;
  readonly #parts: LinkParts;
  readonly #whileFrozen: boolean;
  readonly #upPath: Path;
  readonly #downPath: Path;
  readonly #upStream: StreamPath;
  readonly #downStream: StreamPath;
  readonly #up: Pipe;
  readonly #down: Pipe;
  #target: Socket | undefined;
  #openSockets = 1;

  constructor(client: Socket, parts: LinkParts, options: LinkOptions) {
    const { profile } = options;
    const { clock, lane } = parts.up;
    this.id = options.id;
    this.#client = client;
    this.#clientAddress = `${client.remoteAddress}:${client.remotePort}`;
    this.#parts = parts;
    this.#whileFrozen = options.whileFrozen;
    this.#upPath = new Path(profile.up, options.randomUp);
    this.#downPath = new Path(profile.down, options.randomDown);
    const openAt = lane.timeAt(clock.now()) + handshakeMs(this.#upPath, this.#downPath);
    this.#upStream = new StreamPath(this.#upPath, openAt, roundTripMs(profile));
    this.#downStream = new StreamPath(this.#downPath, Number.NEGATIVE_INFINITY, roundTripMs(profile));
    this.#up = new Pipe(parts.up, this.#upStream, profile.up.windowBytes, {
      from: () => this.#client,
      to: () => this.#target,
    });
    this.#down = new Pipe(parts.down, this.#downStream, profile.down.windowBytes, {
      from: () => this.#target,
      to: () => this.#client,
    });
  }

  /** Begins to read the client; the target is dialled when the handshake would have ended. */
  start(): void {
    this.#client
      .on("data", (chunk: Buffer) => this.#up.accept(chunk))
      .on("end", () => this.#clientEnded())
      .on("error", () => this.#clientLost())
      .on("drain", () => this.#down.unblock())
      .on("close", () => this.#socketClosed());
    this.#up.start(() => this.#dial());
  }

  /** After the network thawed: a client that waits to be connected goes on. */
  retry(): void {
    if (this.#target === undefined) this.#up.unblock();
  }

  set(profile: LinkProfile): void {
    this.#upPath.set(profile.up);
    this.#downPath.set(profile.down);
    this.#upStream.setRoundTrip(roundTripMs(profile));
    this.#downStream.setRoundTrip(roundTripMs(profile));
    this.#up.set(profile.up.windowBytes);
    this.#down.set(profile.down.windowBytes);
  }

  /** Resets both sides at once. */
  cut(): void {
    this.#up.stop();
    this.#down.stop();
    reset(this.#client);
    reset(this.#target);
  }

  isConnecting(): boolean {
    return this.#target === undefined;
  }

  info(): LinkInfo {
    return {
      id: this.id,
      client: this.#clientAddress,
      state: this.isConnecting() ? "connecting" : "open",
      upInFlightBytes: this.#up.inFlightBytes(),
      downInFlightBytes: this.#down.inFlightBytes(),
    };
  }

  /** @returns Whether the network lets us. */
  #dial(): boolean {
    const target = this.#parts.dial();
    if (target === undefined) return false;
    this.#target = target;
    this.#openSockets += 1;
    target
      .on("data", (chunk: Buffer) => this.#down.accept(chunk))
      .on("end", () => this.#down.end())
      .on("error", () => this.#targetLost())
      .on("drain", () => this.#up.unblock())
      .on("close", () => this.#socketClosed());
    return true;
  }

  #clientEnded(): void {
    if (this.#target === undefined && this.#whileFrozen) this.cut();
    else this.#up.end();
  }

  #clientLost(): void {
    if (this.#target === undefined) this.cut();
    else {
      this.#down.stop();
      this.#up.reset();
    }
  }

  /** Refused by the target, or reset. */
  #targetLost(): void {
    this.#up.stop();
    this.#down.reset();
  }

  #socketClosed(): void {
    this.#openSockets -= 1;
    if (this.#openSockets === 0) this.#parts.closed(this);
  }
}
