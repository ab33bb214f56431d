import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import { asHubError, type HubError } from "../protocol/index.ts";
import {
  type CloseReason,
  type Dialled,
  type DialOptions,
  maxGreetingBytes,
  quicTransport,
  reasonError,
  type Scheme,
  webSocketTransport,
  webTransport,
} from "../transport/index.ts";
import type { Identity } from "./join.ts";
import type { EdgeOptions } from "./options.ts";
import { formatMemory, PathChoice, parseMemory, pathNote, quicAttemptMs } from "./path-choice.ts";

export interface CloudDialParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Who this node is now; asked at each dial. */
  readonly identity: () => Identity;
  /** What this node remembers across its own death. */
  readonly notes: { recall(name: string): string | undefined; remember(name: string, text: string): void };
}

/** A connection, and what carries it. */
export interface CloudConnection extends Dialled {
  readonly transport: Scheme;
}

/** How often a KubeEdge cloud's connection is probed: it is dead when a probe is unanswered at the next one. */
const probeEveryMs = 5_000;
/** Somebody must answer so soon, or it is dialled again: TCP would wait ever longer. Longer and longer if nobody does. */
const connectTimeoutMs = 3_000;

/** Dials the hub, over what is configured, or over QUIC where that works; see `PathChoice`. */
export class CloudDial {
  readonly #parts: CloudDialParts;
  readonly #options: EdgeOptions;
  readonly #choice: PathChoice;
  /** The package for QUIC is not there; that does not change while this process lives. */
  #hasNoQuic = false;
  /** QUIC came up, and the hub's answer did not follow: a WebSocket tells whether that was the path's fault. */
  #suspicion: HubError | undefined;
  /** Dials in a row that nobody has answered. */
  #unanswered = 0;
  /** Of this dial. */
  #greeting: Uint8Array | undefined;
  /** Lets a short handshake resume the last one. */
  #session: Buffer | undefined;

  constructor(parts: CloudDialParts, options: EdgeOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#choice = new PathChoice(options.hub, parseMemory(parts.notes.recall(pathNote)));
  }

  /** Rejects as `Transport.dial`. @param greeting See `DialOptions`. */
  async dial(signal: AbortSignal, greeting: Uint8Array | undefined): Promise<CloudConnection> {
    const { hub } = this.#options;
    this.#greeting = greeting;
    if (hub.transport === "webtransport") return await this.#dialWebTransport(signal);
    const isChosen = hub.transport === "quic";
    const port = this.#choice.quicPort(this.#parts.clock.wallTime());
    if (port === undefined || (!isChosen && (this.#hasNoQuic || hub.dialect !== "auto")))
      return await this.#dialWebSocket(signal);
    if (this.#suspicion !== undefined) return await this.#dialInstead(this.#suspicion, signal);
    try {
      return await this.#dialQuic(port, isChosen ? hub.handshakeTimeoutMs : quicAttemptMs, signal);
    } catch (error) {
      const failure = asHubError(error);
      if (isChosen || !isOfThePath(failure)) throw failure;
      this.#hasNoQuic = failure.code === "E_UNSUPPORTED";
      return await this.#dialInstead(failure, signal);
    }
  }

  /** A WebSocket in the place of QUIC. Where that comes up it is the path that does not carry QUIC. */
  async #dialInstead(failure: HubError, signal: AbortSignal): Promise<CloudConnection> {
    this.#suspicion = undefined;
    const dialled = await this.#dialWebSocket(signal);
    if (!this.#hasNoQuic) this.#quicFailed(failure);
    return dialled;
  }

  /** The connection has ended before the hub had answered. */
  unanswered({ transport }: CloudConnection, reason: CloseReason): void {
    if (transport !== "quic" || this.#options.hub.transport !== "auto") return;
    const isOfPath = reason.code === "E_PEER_SILENT" || reason.code === "E_LINK_LOST";
    if (isOfPath) this.#suspicion = reasonError(reason);
  }

  /** The connection has ended. */
  ended({ transport }: CloudConnection, reason: CloseReason, lastedMs: number): void {
    if (transport !== "quic") return;
    this.#choice.quicEnded(lastedMs, reason.code === "E_PEER_SILENT", this.#parts.clock.wallTime());
    this.#remember();
  }

  /** The hub has not let this node in: the next handshake is a whole one. */
  forgetSession(): void {
    this.#session = undefined;
  }

  /** This machine is in another network. */
  networkChanged(): void {
    this.#choice.networkChanged();
  }

  async #dialWebSocket(signal: AbortSignal): Promise<CloudConnection> {
    const { hub } = this.#options;
    const { node } = this.#parts.identity();
    const options: DialOptions = {
      ...this.#dialOptions(hub.handshakeTimeoutMs),
      greeting: this.#greeting && this.#greeting.length <= maxGreetingBytes ? this.#greeting : undefined,
      connectTimeoutMs: Math.min(
        connectTimeoutMs * 2 ** Math.floor(this.#unanswered / 8),
        hub.handshakeTimeoutMs,
      ),
      onSession: (session) => {
        this.#session = session;
      },
    };
    const url = `${hub.server}/${hub.projectId}/${node}/events`;
    const dialled = await this.#counted(webSocketTransport.dial(url, options, signal));
    if (dialled.dialect === "native") this.#choice.announced(dialled.quicPort ?? 0);
    this.#remember();
    return { ...dialled, transport: "wss" };
  }

  /** Counts dials in a row that nobody answers. */
  async #counted<T>(dial: Promise<T>): Promise<T> {
    try {
      const dialled = await dial;
      this.#unanswered = 0;
      return dialled;
    } catch (error) {
      this.#unanswered = asHubError(error).code === "E_TIMEOUT" ? this.#unanswered + 1 : 0;
      throw error;
    }
  }

  async #dialWebTransport(signal: AbortSignal): Promise<CloudConnection> {
    const { hub } = this.#options;
    const { node } = this.#parts.identity();
    const { hostname } = new URL(hub.server);
    const url = `https://${hostname}:${hub.webTransportPort}/${hub.projectId}/${node}/events`;
    return {
      ...(await webTransport.dial(url, this.#dialOptions(hub.handshakeTimeoutMs), signal)),
      transport: "wt",
    };
  }

  async #dialQuic(port: number, timeoutMs: number, signal: AbortSignal): Promise<CloudConnection> {
    const { hub } = this.#options;
    const { node } = this.#parts.identity();
    const { hostname } = new URL(hub.server);
    const url = `quic://${hostname}:${port}/${hub.projectId}/${node}/events`;
    const options = { ...this.#dialOptions(timeoutMs), early: true };
    return { ...(await quicTransport.dial(url, options, signal)), transport: "quic" };
  }

  #dialOptions(handshakeTimeoutMs: number): DialOptions {
    const { hub, delivery } = this.#options;
    const { node, caPem, certPem, keyPem } = this.#parts.identity();
    return {
      headers: { Node_id: node, Project_id: hub.projectId, ConnectionUse: "msg" },
      tls: { ca: caPem, cert: certPem, key: keyPem, session: this.#session },
      offerNative: hub.dialect === "auto",
      handshakeTimeoutMs,
      maxMessageBytes: delivery.messageBytes,
      probeEveryMs,
    };
  }

  #quicFailed(failure: HubError): void {
    const { clock, log } = this.#parts;
    const wallTime = clock.wallTime();
    this.#choice.quicFailed(wallTime);
    this.#remember();
    const againAt = new Date(this.#choice.memory.retryAt).toISOString();
    log.info("the way to the hub does not carry QUIC; WebSocket does", { text: failure.message, againAt });
  }

  /** What cannot be written now is learned again. */
  #remember(): void {
    const text = formatMemory(this.#choice.memory);
    const { notes, log } = this.#parts;
    if (notes.recall(pathNote) === text) return;
    try {
      notes.remember(pathNote, text);
    } catch (error) {
      log.warn("how the hub is reached could not be remembered", { error: asHubError(error) });
    }
  }
}

/** What a WebSocket may do better, or say better; else the hub itself has answered. */
function isOfThePath({ code }: HubError): boolean {
  return (
    code === "E_LINK_LOST" || code === "E_IDENTITY" || code === "E_UNSUPPORTED" || code === "E_BAD_FRAME"
  );
}
