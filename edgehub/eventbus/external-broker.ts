import { pause } from "../../platform/clock.ts";
import { type Fields, OncePer } from "../../platform/logger.ts";
import type { Sequence } from "../../platform/sqlite.ts";
import { asHubError, Backoff, HubError } from "../../protocol/index.ts";
import { Backlog } from "./backlog.ts";
import type { Broker, BrokerParts } from "./broker.ts";
import type { BrokerUrl } from "./broker-url.ts";
import { Echoes } from "./echoes.ts";
import { ExternalSession, maxUnconfirmed } from "./external-session.ts";

export interface ExternalBrokerOptions {
  readonly url: BrokerUrl;
  /** Names the session in which the broker keeps what comes while we are away. */
  readonly clientId: string;
  /** Empty: none. */
  readonly username: string;
  readonly password: string;
  /** PEM; read anew for each connection. Throws `E_BAD_OPTION`. */
  tls(): {
    readonly ca: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
  };
  readonly maxPayloadBytes: number;
}

const backoff = { minMs: 1_000, maxMs: 30_000 };
/** After a connection that lasted so long the next one is tried soon. */
const healthyMs = 10_000;
const connectTimeoutMs = 20_000;
const keepaliveSeconds = 30;
/** How long an MQTT 5 broker keeps the session; with 3.1.1 that is the broker's choice. */
const sessionExpirySeconds = 7 * 86_400;
/** Of a packet beside its payload: topic and properties, 64 KiB each at most. */
const packetOverheadBytes = 2 * 65_540;
const logEveryMs = 60_000;
/** A topic is as long as a client likes. */
const loggedLength = 200;
const protocols = { tcp: "mqtt", tls: "mqtts", ws: "ws", wss: "wss" } as const;

/** MQTT's version 5, or 4 for 3.1.1. */
type Version = 5 | 4;

/**
 * A broker beside the agent: MQTT 5, or 3.1.1 if it does not know that. The session is persistent, so what comes while
 * we are away is not lost, and each message is confirmed only once it is durable here. A broker that is away is tried
 * again after growing pauses.
 */
export class ExternalBroker implements Broker {
  readonly name = "external";
  readonly #parts: BrokerParts;
  readonly #options: ExternalBrokerOptions;
  readonly #once: OncePer;
  readonly #echoes = new Echoes();
  readonly #backlog = new Backlog({
    send: (topic, payload) => this.publish(topic, payload),
    lost: (topic, error) => this.#warn("a document for the external broker is lost", error, { topic }),
  });
  readonly #stopping = new AbortController();
  /** Filters the broker has of us. */
  readonly #granted = new Set<string>();
  #version: Version = 5;
  #session: ExternalSession | undefined;
  #running: Promise<void> = Promise.resolve();
  #subscribing: Promise<void> = Promise.resolve();

  constructor(parts: BrokerParts, options: ExternalBrokerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#once = new OncePer(parts.agent.clock, logEveryMs, 1_000);
  }

  /** Resolves at once: nobody waits for a broker that may be away. */
  start(): Promise<void> {
    this.#running = this.#run().catch(this.#parts.failed);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#session?.end();
    await this.#running;
    const count = this.#backlog.size;
    if (count > 0)
      this.#parts.agent.log.warn("the external broker has not confirmed all documents", { count });
  }

  async publish(topic: string, payload: Uint8Array | string): Promise<void> {
    const session = this.#session;
    if (session?.isUp !== true)
      throw new HubError("E_LINK_LOST", `no connection to the external broker ${this.#options.url.host}`);
    if (this.#version === 4 && this.#parts.takes(topic))
      this.#echoes.expect(topic, payload, this.#parts.agent.clock.now());
    await session.publish(topic, payload);
  }

  tell(topic: string, payload: Uint8Array | string): Promise<void> {
    this.#backlog.add(topic, payload);
    return Promise.resolve();
  }

  /** One change after the other. Never rejects: what a broker refuses is logged. */
  filtersChanged(): Promise<void> {
    this.#subscribing = this.#subscribing.then(() => this.#subscribe());
    return this.#subscribing;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#parts.agent;
    const { signal } = this.#stopping;
    const pauses = new Backoff(backoff, () => 0.5 + random() / 2);
    while (!signal.aborted) {
      const { reason, upSince } = await this.#connect();
      if (signal.aborted) return;
      // A broker that does not know MQTT 5 says so in one of many ways; a network that is down in one.
      if (upSince === undefined && this.#version === 5 && !isNetworkError(reason) && !isRefusal(reason)) {
        this.#version = 4;
        continue;
      }
      if (upSince === undefined) this.#version = 5;
      else if (clock.now() - upSince >= healthyMs) pauses.reset();
      const retryInMs = Math.round(pauses.next());
      const what = upSince === undefined ? "external broker cannot be reached" : "external broker lost";
      this.#warn(what, reason, { broker: this.#options.url.host, retryInMs });
      await pause(clock, retryInMs, signal);
    }
  }

  /** One connection. @returns What ended it, and when it had come up, if it had. */
  async #connect(): Promise<{ reason: unknown; upSince: number | undefined }> {
    try {
      const session = new ExternalSession(this.#clientOptions(), {
        clock: this.#parts.agent.clock,
        take: (topic, payload, sequence) => this.#take(topic, payload, sequence),
        connected: (resumed) => this.#connected(resumed),
      });
      this.#session = session;
      return { reason: await session.ended, upSince: session.upSince };
    } catch (reason) {
      return { reason, upSince: undefined };
    } finally {
      this.#session = undefined;
    }
  }

  #connected(resumed: boolean): void {
    const { host, port } = this.#options.url;
    const version = this.#version === 5 ? "5" : "3.1.1";
    this.#parts.agent.log.info("external broker connected", { host, port, version, resumed });
    if (!resumed) {
      this.#granted.clear();
      this.#echoes.forgetAll();
    }
    void this.filtersChanged();
    this.#backlog.connected();
  }

  /** What cannot be taken at any time is confirmed all the same: the broker would send it for ever, and nothing else. */
  #take(topic: string, payload: Uint8Array, sequence: Sequence | undefined): Promise<void> | undefined {
    const { agent, take } = this.#parts;
    if (this.#version === 4 && this.#echoes.take(topic, payload, agent.clock.now())) return undefined;
    return take(topic, payload, sequence)?.catch((cause: unknown) => {
      const error = asHubError(cause);
      this.#warn("a message of the external broker was not taken", error, {
        topic: topic.slice(0, loggedLength),
      });
      if (error.retryable) throw error;
    });
  }

  async #subscribe(): Promise<void> {
    const session = this.#session;
    if (session?.isUp !== true) return;
    const wanted = new Set(this.#parts.filters());
    const change = async (filter: string, work: Promise<void>, done: () => void): Promise<void> => {
      try {
        await work;
        done();
      } catch (error) {
        if (session.isUp) this.#warn("the external broker refuses a subscription", error, { filter });
      }
    };
    const gone = [...this.#granted].filter((filter) => !wanted.has(filter));
    const fresh = [...wanted].filter((filter) => !this.#granted.has(filter));
    await Promise.all([
      ...gone.map((one) => change(one, session.unsubscribe(one), () => this.#granted.delete(one))),
      ...fresh.map((one) => change(one, session.subscribe(one), () => this.#granted.add(one))),
    ]);
  }

  #warn(what: string, error: unknown, fields: Fields): void {
    const held = this.#once.pass(
      `${what} ${(error as { code?: unknown }).code} ${fields.topic ?? fields.filter}`,
    );
    if (held !== undefined) this.#parts.agent.log.warn(what, { ...fields, error, held });
  }

  #clientOptions(): ConstructorParameters<typeof ExternalSession>[0] {
    const { url, clientId, username, password, tls, maxPayloadBytes } = this.#options;
    const { ca, cert, key } = tls();
    const properties = {
      sessionExpiryInterval: sessionExpirySeconds,
      receiveMaximum: maxUnconfirmed,
      maximumPacketSize: Math.min(maxPayloadBytes + packetOverheadBytes, 0xffff_ffff),
    };
    return {
      protocol: protocols[url.scheme],
      host: url.host,
      port: url.port,
      ...(url.scheme === "ws" || url.scheme === "wss" ? { path: url.path } : {}),
      clientId,
      clean: false,
      protocolVersion: this.#version,
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
      ...(username === "" ? {} : { username }),
      ...(password === "" ? {} : { password }),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(this.#version === 5 ? { properties } : {}),
    };
  }
}

/** DNS, TCP and TLS name what went wrong by a word, MQTT by a number; a connection may also just end. */
function isNetworkError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && code !== "E_LINK_LOST";
}

/** MQTT 5's "bad user name or password" and "not authorized". */
function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 0x86 || code === 0x87;
}
