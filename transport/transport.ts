import type { SecureContextOptions } from "node:tls";
import type { Dialect, HubError } from "../protocol/index.ts";
import type { Connection, Dialled, Listener, Peer } from "./connection.ts";
import type { InflowOptions } from "./inflow.ts";
import type { Turnstile } from "./turnstile.ts";

/** What carries a connection: WebSocket over TLS, QUIC, or WebTransport. */
export type Scheme = "wss" | "quic" | "wt";

/**
 * One way to get connections between two processes. Each passes test/transport/conformance.ts: messages arrive whole
 * and in order, both sides know who the other is, and no peer can make this one hold more than the limits say.
 */
export interface Transport {
  readonly scheme: Scheme;
  /**
   * Connects.
   *
   * Rejects with `E_LINK_LOST` if nobody answers, `E_IDENTITY` if a certificate is not good, `E_ABORTED`, `E_UNSUPPORTED`
   * if a package is missing, or with the code that the server gave in a refusal.
   */
  dial(url: string, options: DialOptions, signal: AbortSignal): Promise<Dialled>;
  /** Listens. Rejects with `E_PORT_TAKEN`, `E_UNSUPPORTED`, or `E_BAD_OPTION` for an address that is not ours. */
  listen(options: ListenOptions, parts: ListenParts): Promise<TransportListener>;
}

/** So much of a greeting fits into a request: what stands between peers may take no more than 8 KiB of one header. */
export const maxGreetingBytes = 5 << 10;

/** A transport of which one can find out beforehand whether it would work. */
export interface Probed {
  /**
   * Shakes hands with a server until it is known that the way there carries this transport and that the server is of the
   * given authority, and hangs up. It asks for nothing: no link comes of it.
   *
   * Rejects as `Transport.dial`, but with no refusal.
   */
  probe(url: string, options: ProbeOptions): Promise<void>;
}

export type ProbeOptions = Pick<DialOptions, "tls" | "handshakeTimeoutMs">;

export interface DialOptions {
  readonly headers: Readonly<Record<string, string>>;
  /** What the server is checked against and what it is shown. */
  readonly tls: { ca?: string; cert?: string; key?: string; session?: Buffer | undefined };
  /** Offer our dialect, or speak KubeEdge's only. */
  readonly offerNative: boolean;
  readonly handshakeTimeoutMs: number;
  /** How long nobody need answer at all before that is `E_TIMEOUT`; default: as the handshake. WebSocket only. */
  readonly connectTimeoutMs?: number;
  readonly maxMessageBytes: number;
  /** Be content with a server that has proven who it is, and do not wait for its answer; see `Dialled.answered`. */
  readonly early?: boolean;
  /**
   * The first words of our dialect, at most {@link maxGreetingBytes}: they go with the request where the transport waits
   * for the server's answer else; `Dialled.greeted` says that the server has them. WebSocket only.
   */
  readonly greeting?: Uint8Array | undefined;
  /** Given a TLS session that makes the next handshake shorter. */
  readonly onSession?: (session: Buffer) => void;
  /** Probe a WebSocket with pings, for a dialect whose peer answers nothing else; 0: no. */
  readonly probeEveryMs: number;
}

/** What a client says before it is let in. */
export interface UpgradeRequest {
  /** First value of a header; the name in any case. `undefined` if it is missing. */
  header(name: string): string | undefined;
  readonly path: string;
  readonly peer: Peer;
  readonly offersNative: boolean;
}

export interface Admitted {
  readonly dialect: Dialect;
  /** Takes the connection; called once the client has its answer. */
  accept(connection: Connection): void;
  /** Instead: the client has gone meanwhile. */
  abandoned?(): void;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: SecureContextOptions;
  /** `require`: no TLS without a certificate of our CA. `request`: it is checked by who admits. */
  readonly clientCertificate: "require" | "request";
  readonly maxMessageBytes: number;
  /** From the end of the TLS handshake to the end of the client's request, and as long for the handshake. */
  readonly handshakeTimeoutMs: number;
  /** Connections at once, admitted or not. */
  readonly maxConnections: number;
  /** How fast each peer is listened to; default: as it talks. */
  readonly inflow?: InflowOptions | undefined;
}

export interface ListenParts {
  /** Decides who is let in. Throws a HubError to refuse: the client gets its code and text, and is cut off. */
  admit(request: UpgradeRequest): Admitted | Promise<Admitted>;
  /** Somebody was turned away, by us or by TLS. */
  refused(error: HubError, address: string): void;
  /** Where new connections wait for their turn; its owner closes it. Default: they come in as they come. */
  readonly turnstile?: Turnstile | undefined;
}

export interface TransportListener extends Listener {
  /** Uses another certificate for connections from now on. */
  setTls(tls: SecureContextOptions): void;
}
