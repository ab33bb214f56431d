import { type Clock, systemClock } from "../platform/clock.ts";
import { silentLogger } from "../platform/logger.ts";
import { version } from "../platform/version.ts";
import {
  asHubError,
  Backoff,
  type CallName,
  type Calls,
  type ErrorCode,
  type Frame,
  HubError,
  type Message,
  NativeCodec,
  reconnectBackoff,
  writeJson,
} from "../protocol/index.ts";
import {
  type ChannelOptions,
  type CloseReason,
  type Connection,
  controllerChannel,
  dialWebSocket,
  MemoryOutbox,
  MessageChannel,
  newCounters,
  Redial,
  reasonError,
} from "../transport/index.ts";
import { CallTable } from "./call-table.ts";
import type { ConnectOptions } from "./options.ts";

/** What a test may put in place of the real thing. */
export interface ClientParts {
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

/** `connecting`: it is being dialled, again or for the first time. `closed`: for good. */
export type ConnectionState = "connecting" | "connected" | "closed";

export interface ConnectionOwner {
  /** A message from a node; resolves when it is done with. */
  received(message: Message): Promise<void>;
  /** A new link is up: say again what the hub must know of this client. */
  linked(): void;
  /** It has ended for good: closed, or turned away by the hub. */
  ended(error: HubError): void;
}

/** Where controllers' WebSockets go on the hub's API port. */
const controllerPath = "/controllers/v1";
const defaultMessageBytes = 16 << 20;
/** These do not go away by dialling again with the same token or certificate. */
const hopeless: ReadonlySet<ErrorCode> = new Set([
  "E_BAD_TOKEN",
  "E_TOKEN_EXPIRED",
  "E_REVOKED",
  "E_IDENTITY",
  "E_FORBIDDEN",
  "E_BAD_OPTION",
]);

interface Link {
  readonly channel: MessageChannel;
  readonly calls: CallTable;
}

/** Keeps a controller's connection: dials, dials again, sends what is unacked over each new link. */
export class HubConnection {
  /** Settles when the first connection is made, or given up. */
  readonly connected: Promise<void>;
  readonly outbox: MemoryOutbox;
  readonly #options: ConnectOptions;
  readonly #clock: Clock;
  readonly #owner: ConnectionOwner;
  readonly #redial: Redial<Connection>;
  /** Woken at each change of the link. */
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  #link: Link | undefined;
  #first: { resolve(): void; reject(error: HubError): void } | undefined;
  #lastError: HubError | undefined;
  #ended: HubError | undefined;

  constructor(options: ConnectOptions, owner: ConnectionOwner, parts: ClientParts) {
    this.#options = options;
    this.#owner = owner;
    this.#clock = parts.clock ?? systemClock;
    this.outbox = new MemoryOutbox({
      maxMessages: options.maxOutboxMessages ?? 100_000,
      maxBytes: options.maxOutboxBytes ?? 256 << 20,
    });
    this.#redial = new Redial<Connection>({
      clock: this.#clock,
      backoff: new Backoff(reconnectBackoff, parts.random ?? Math.random),
      dial: (signal) => this.#dial(signal),
      use: (connection) => this.#use(connection),
      failed: (error, delayMs) => this.#failed(error, delayMs),
    });
    this.connected = new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
    });
    this.#giveUpLater(options.connectTimeoutMs ?? 10_000);
    this.#redial.start();
  }

  /** Why it has ended for good; `undefined`: it has not. */
  get ended(): HubError | undefined {
    return this.#ended;
  }

  get state(): ConnectionState {
    if (this.#ended) return "closed";
    return this.#link ? "connected" : "connecting";
  }

  /** Tells of every change of {@link state}. @returns Stops telling. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks the hub; asks again over the next link if this one breaks. */
  async call<Name extends CallName>(
    name: Name,
    args: Parameters<Calls[Name]>,
    signal?: AbortSignal,
  ): Promise<ReturnType<Calls[Name]>> {
    for (;;) {
      try {
        return await this.callOnce(name, args, signal);
      } catch (error) {
        if (this.#ended || asHubError(error).code !== "E_LINK_LOST") throw error;
      }
    }
  }

  /** Asks the hub over one link. Rejects with `E_LINK_LOST` if it breaks. */
  async callOnce<Name extends CallName>(
    name: Name,
    args: Parameters<Calls[Name]>,
    signal?: AbortSignal,
  ): Promise<ReturnType<Calls[Name]>> {
    const { channel, calls } = this.#link ?? (await this.#nextLink(signal));
    return await calls.call<Name>(
      (call) => channel.control({ type: "call", call, method: name, body: writeJson(args) }),
      signal,
    );
  }

  /** Ends it for good. Everything that waits is rejected with the error. */
  async close(error = new HubError("E_CLOSED", "this client was closed")): Promise<void> {
    if (this.#ended === undefined) {
      this.#ended = error;
      this.#first?.reject(error);
      this.#first = undefined;
      this.#owner.ended(error);
      this.#link?.channel.close({ code: "E_CLOSED", text: "the controller is done" });
      this.outbox.close(error);
      this.#changed();
    }
    await this.#redial.stop();
  }

  async #dial(signal: AbortSignal): Promise<Connection> {
    const { url, token, certificate, ca, maxMessageBytes } = this.#options;
    const target = new URL(controllerPath, url);
    target.protocol = "wss:";
    const dialled = await dialWebSocket(
      target.href,
      {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        tls: { ...(ca === undefined ? {} : { ca }), ...(certificate ?? {}) },
        offerNative: true,
        handshakeTimeoutMs: 10_000,
        maxMessageBytes: maxMessageBytes ?? defaultMessageBytes,
        probeEveryMs: 0,
      },
      signal,
    );
    if (dialled.dialect === "native") return dialled.connection;
    dialled.connection.destroy({ code: "E_UNSUPPORTED", text: "no hub of ours" });
    throw new HubError("E_UNSUPPORTED", `${url} is not the API of a cloud-edge hub`);
  }

  #use(connection: Connection): Promise<CloseReason> {
    return new Promise((resolve) => {
      const calls = new CallTable();
      const owner = {
        received: (message: Message) => this.#owner.received(message).then(() => undefined),
        control: (frame: Extract<Frame, { type: "hello" | "call" | "reply" }>) =>
          void (frame.type === "reply" && calls.replied(frame)),
        fault: (error: HubError, what: string) => (this.#options.log ?? silentLogger).warn(what, { error }),
        closed: (reason: CloseReason) => {
          this.#link = undefined;
          this.#changed();
          calls.fail(this.#ended ?? failureOf(reason));
          resolve(reason);
        },
      };
      const codec = new NativeCodec(undefined, {
        maxMessageBytes: this.#options.maxMessageBytes ?? defaultMessageBytes,
      });
      const parts = { connection, codec, owner, clock: this.#clock, counters: newCounters() };
      const channel = new MessageChannel(parts, channelOptions(this.#options));
      this.#link = { channel, calls };
      channel.start(this.outbox);
      this.#owner.linked();
      this.#first?.resolve();
      this.#first = undefined;
      this.#changed();
    });
  }

  #failed(failure: HubError | CloseReason, delayMs: number): void {
    const error = failure instanceof HubError ? failure : reasonError(failure);
    const { code, message } = error;
    (this.#options.log ?? silentLogger).info("no connection to the hub", {
      code,
      text: message,
      retryInMs: Math.round(delayMs),
    });
    this.#lastError = error;
    if (isHopeless(error)) void this.close(error);
  }

  #giveUpLater(timeoutMs: number): void {
    const cancel = this.#clock.after(timeoutMs, () => {
      const last = this.#lastError;
      const text = `no connection to ${this.#options.url} within ${timeoutMs} ms${last ? `: ${last}` : ""}`;
      if (this.#first) void this.close(new HubError("E_TIMEOUT", text, { cause: last }));
    });
    void this.connected.then(cancel, cancel);
  }

  async #nextLink(signal: AbortSignal | undefined): Promise<Link> {
    while (this.#link === undefined) {
      if (this.#ended) throw this.#ended;
      if (signal?.aborted) throw new HubError("E_ABORTED", "gave up waiting for a connection");
      await this.#nextChange(signal);
    }
    return this.#link;
  }

  #nextChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal?.addEventListener("abort", done, { once: true });
    });
  }

  #changed(): void {
    for (const wake of [...this.#waiting]) wake();
    for (const listener of this.#listeners) listener(this.state);
  }
}

/** A hub that does not prove to be the right one (E_IDENTITY, retryable) may do so later; see `dialWebSocket`. */
function isHopeless(error: HubError): boolean {
  return hopeless.has(error.code) && !error.retryable;
}

/** What the end of a link is to a call that waits on it. */
function failureOf(reason: CloseReason): HubError {
  const error = reasonError(reason);
  return isHopeless(error) ? error : new HubError("E_LINK_LOST", reason.text, { cause: error });
}

function channelOptions(options: ConnectOptions): ChannelOptions {
  return controllerChannel({
    software: `cloud-edge-hub-sdk/${version}`,
    storeId: "",
    windowMessages: options.windowMessages ?? 1_024,
    windowBytes: options.windowBytes ?? 4 << 20,
    maxMessageBytes: options.maxMessageBytes ?? defaultMessageBytes,
  });
}
