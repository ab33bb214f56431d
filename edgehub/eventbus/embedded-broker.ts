import { createHash, timingSafeEqual } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { Aedes, type Client, type PublishPacket, type Subscription } from "aedes";
import mqttPacket from "mqtt-packet";
import { type Fields, OncePer } from "../../platform/logger.ts";
import type { Sequence } from "../../platform/sqlite.ts";
import { asHubError, HubError, shown } from "../../protocol/index.ts";
import type { Broker, BrokerParts } from "./broker.ts";
import { type BrokerUrl, isLoopback } from "./broker-url.ts";
import { hangUp } from "./hang-up.ts";
import { InboundGate, type PacketSource } from "./inbound-gate.ts";
import { limitSessions, type SessionStore } from "./limited-sessions.ts";
import { listenMqtt, type MqttListening } from "./mqtt-listener.ts";
import { PacketGauge } from "./packet-gauge.ts";
import { RetainedLimit } from "./retained-limit.ts";
import { maxSubscriptions } from "./session-book.ts";
import { isTopicFilter, isTopicName } from "./topics.ts";

export interface EmbeddedBrokerOptions {
  readonly url: BrokerUrl;
  /** PEM. Throws `E_BAD_OPTION`. */
  tls(): { readonly cert: string | undefined; readonly key: string | undefined };
  /** `undefined`: everybody may come. */
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
  readonly maxClients: number;
  readonly maxPayloadBytes: number;
  /** Messages kept for a client that is away. */
  readonly sessionQueueSize: number;
  /** Of what {@link EmbeddedBroker.publish} publishes. */
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** A client that does not read for so long is disconnected, as the others wait for it. Default: 10 s. */
  readonly drainTimeoutMs?: number;
}

const logEveryMs = 60_000;
const defaultDrainTimeoutMs = 10_000;
/** What clients name is as long as they like. */
const loggedLength = 200;
const badCredentials = 4;
/** What a packet has beside its payload: topic, will, user name and password, 64 KiB each at most. */
const packetOverheadBytes = 4 * 65_537;

/**
 * The broker inside the agent: MQTT 3.1 and 3.1.1, everything in memory. A message that leaves it is durable before
 * its publisher gets the PUBACK, because the authorisation of a publish comes before that.
 */
export class EmbeddedBroker implements Broker {
  readonly name = "internal";
  readonly #parts: BrokerParts;
  readonly #options: EmbeddedBrokerOptions;
  readonly #aedes: Aedes;
  readonly #once: OncePer;
  readonly #retained = new RetainedLimit();
  /** The confirmation of a client's last message that waits: later ones of it come behind. */
  readonly #confirming = new WeakMap<Client, Promise<void>>();
  /** Of what a client wants to be confirmed. */
  readonly #sequences = new WeakMap<Client, Sequence>();
  /** Filters; the broker knows of one only some time after it was asked for. */
  readonly #subscribed = new WeakMap<Client, Set<string>>();
  #listening: MqttListening | undefined;
  #isStopping = false;

  constructor(parts: BrokerParts, options: EmbeddedBrokerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#once = new OncePer(parts.agent.clock, logEveryMs, 1_000);
    // Else it keeps a buffer for each number of two bytes, 13 MiB, which makes nothing faster.
    mqttPacket.writeToStream.cacheNumbers = false;
    this.#aedes = new Aedes({
      drainTimeout: options.drainTimeoutMs ?? defaultDrainTimeoutMs,
      authenticate: (_client, username, password, done) => {
        if (this.#isWelcome(username, password)) return done(null, true);
        this.#warn("a client of the internal broker has no valid user name and password", undefined);
        done(Object.assign(new Error("bad user name or password"), { returnCode: badCredentials }), false);
      },
      authorizePublish: (client, packet, done) => this.#published(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        done(null, this.#maySubscribe(client, subscription) ? subscription : null);
      },
      preConnect: (client, { protocolVersion }, done) => {
        // It is refused with MQTT 3.1.1's code for that, which clients of MQTT 5 know.
        if ((protocolVersion as number | undefined) === 5)
          this.#warn("a client speaks MQTT 5, the internal broker 3.1.1 at most", client);
        done(null, true);
      },
    });
  }

  async start(): Promise<void> {
    const { agent, failed } = this.#parts;
    const { url, tls, maxClients, maxPayloadBytes, credentials } = this.#options;
    const maxPacketBytes = maxPayloadBytes + packetOverheadBytes;
    await this.#aedes.listen();
    (this.#aedes as EventEmitter).on("error", failed);
    for (const event of ["clientError", "connectionError"] as const)
      this.#aedes.on(event, (client, error) => this.#disconnected(client, error));
    this.#aedes.on("unsubscribe", (topics, client) => {
      for (const topic of topics) this.#subscribed.get(client)?.delete(topic);
    });
    this.#limitSessions();
    this.#listening = await listenMqtt(
      { url, tls: tls(), maxClients, maxMessageBytes: maxPacketBytes },
      { accept: (stream) => this.#accept(stream, maxPacketBytes), failed },
    );
    agent.log.info("internal broker listens", {
      scheme: url.scheme,
      host: url.host,
      port: this.#listening.port,
    });
    if (credentials === undefined && !isLoopback(url))
      agent.log.warn("the internal broker is open to whoever reaches it: set eventBus.internalUsername", {
        host: url.host,
      });
  }

  /** Clients are cut off; their wills are not published, as it is not they who went away. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#listening?.close();
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
  }

  /** It is asked about each message. */
  filtersChanged(): Promise<void> {
    return Promise.resolve();
  }

  publish(topic: string, payload: Uint8Array | string): Promise<void> {
    const { qos } = this.#options;
    const body = typeof payload === "string" ? payload : Buffer.from(payload);
    const retain = this.#options.retain && this.#retained.admit(topic, Buffer.byteLength(body));
    return new Promise((resolve, reject) => {
      this.#aedes.publish({ cmd: "publish", topic, payload: body, qos, retain, dup: false }, (error) => {
        if (error)
          reject(new HubError("E_LINK_LOST", `the internal broker: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
  }

  tell(topic: string, payload: Uint8Array | string): Promise<void> {
    return this.publish(topic, payload);
  }

  #accept(stream: Duplex, maxPacketBytes: number): void {
    const gauge = new PacketGauge(maxPacketBytes);
    const gate = new InboundGate(() => void stream.emit("readable"));
    const read = stream.read.bind(stream);
    let isTooLarge = false;
    stream.read = (size?: number): unknown => {
      const chunk = isTooLarge ? null : gate.read(() => read(size) as Uint8Array | null);
      if (chunk === null || gauge.push(chunk)) return chunk;
      isTooLarge = true;
      this.#warn("a client sent a packet that is too large", client, { maxPacketBytes });
      const before = this.#confirming.get(client) ?? Promise.resolve();
      const end = (): void => hangUp(stream, this.#parts.agent.clock, () => stream.destroy());
      before.then(end, end);
      return null;
    };
    const client = this.#aedes.handle(stream);
    gate.watch(client as unknown as PacketSource);
  }

  /** @returns False: the client is told so in the confirmation. */
  #maySubscribe(client: Client | null, { topic }: Subscription): boolean {
    if (!isTopicFilter(topic)) {
      this.#warn("a client cannot subscribe to what is no filter", client, { filter: shown(topic) });
      return false;
    }
    if (client === null) return true;
    const topics = this.#subscribed.get(client) ?? new Set();
    this.#subscribed.set(client, topics);
    if (topics.size >= maxSubscriptions && !topics.has(topic)) {
      this.#warn("a client has as many subscriptions as it may", client);
      return false;
    }
    topics.add(topic);
    return true;
  }

  /** A fault of the network is none of the client's; what was not taken has been logged. */
  #disconnected(client: Client, error: Error): void {
    const { code } = error as { code?: unknown };
    if (code === undefined) this.#warn("a client was disconnected", client, { reason: error.message });
  }

  #isWelcome(username: string | undefined, password: Uint8Array | undefined): boolean {
    const { credentials } = this.#options;
    if (credentials === undefined) return true;
    const isUser = isSame(username ?? "", credentials.username);
    return isSame(password ?? "", credentials.password) && isUser;
  }

  /**
   * Before a publish is confirmed; wills come here too. Confirmations leave in the order of the messages; behind a
   * refused one there are no more: the client is disconnected, and sends the rest again.
   */
  #published(client: Client | null, packet: PublishPacket, done: (error?: Error | null) => void): void {
    if (this.#isStopping) {
      done(new HubError("E_CLOSED", "the internal broker is shutting down"));
      return;
    }
    const { topic, qos } = packet;
    const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    const isWill = client !== null && (client as Client & { readonly will?: unknown }).will === packet;
    const isPromised = qos > 0 && !isWill;
    const sequence = client && isPromised ? this.#sequenceOf(client) : undefined;
    const error = sequence?.failure ?? this.#errorOf(topic, payload);
    let taken = error === undefined ? this.#parts.take(topic, payload, sequence) : Promise.reject(error);
    // Nobody sends it again, and those who listen here shall not suffer.
    if (!isPromised && error === undefined)
      taken = taken?.catch((cause: unknown) => this.#logRefusal(client, topic, asHubError(cause)));
    const earlier = client ? this.#confirming.get(client) : undefined;
    // A will comes last, also if what stood before it was refused.
    const before = isWill ? earlier?.catch(() => undefined) : earlier;
    const pass = (): void => {
      if (packet.retain && !this.#retained.admit(topic, payload.length)) {
        this.#warn("too much is retained: a message is passed on, but not kept", client, {
          topic: topic.slice(0, loggedLength),
        });
        packet.retain = false;
      }
      done();
    };
    if (taken === undefined && before === undefined) {
      pass();
      return;
    }
    // Told below, when its turn has come.
    taken?.catch((cause: unknown) => {
      if (sequence) sequence.failure ??= asHubError(cause);
    });
    const confirmed = (before ?? Promise.resolve()).then(() => taken);
    if (client) this.#confirming.set(client, confirmed);
    confirmed
      .then(
        () => {
          if (client && this.#confirming.get(client) === confirmed) this.#confirming.delete(client);
          pass();
        },
        (cause: unknown) => {
          this.#logRefusal(client, topic, asHubError(cause));
          if (client) hangUp(client.conn, this.#parts.agent.clock, () => done(asHubError(cause)));
          else done(asHubError(cause));
        },
      )
      .catch(this.#parts.failed);
  }

  #sequenceOf(client: Client): Sequence {
    const sequence = this.#sequences.get(client) ?? {};
    this.#sequences.set(client, sequence);
    return sequence;
  }

  #errorOf(topic: string, payload: Uint8Array): HubError | undefined {
    if (topic.startsWith("$SYS/")) return new HubError("E_FORBIDDEN", "$SYS topics are the broker's own");
    if (!isTopicName(topic)) return new HubError("E_BAD_RESOURCE", `${shown(topic)} is no topic`);
    const { maxPayloadBytes } = this.#options;
    if (payload.length <= maxPayloadBytes) return undefined;
    const text = `a payload has at most ${maxPayloadBytes} bytes, this one has ${payload.length}`;
    return new HubError("E_TOO_LARGE", text);
  }

  #logRefusal(client: Client | null, topic: string, error: HubError): void {
    this.#warn("a client's message was not taken", client, { topic: topic.slice(0, loggedLength), error });
  }

  #limitSessions(): void {
    const { clients, persistence } = this.#aedes as unknown as {
      clients: Readonly<Record<string, unknown>>;
      persistence: SessionStore;
    };
    limitSessions(persistence, {
      perClient: this.#options.sessionQueueSize,
      isConnected: (clientId) => clients[clientId] !== undefined,
      dropped: (clientId) => {
        this.#warn("messages for a client's session are dropped", { id: clientId });
      },
    });
  }

  #warn(what: string, client: Pick<Client, "id"> | null | undefined, fields: Fields = {}): void {
    const clientId = client?.id?.slice(0, loggedLength);
    const held = this.#once.pass(`${what} ${clientId}`);
    if (held !== undefined) this.#parts.agent.log.warn(what, { clientId, ...fields, held });
  }
}

/** Takes as long for every wrong text. */
function isSame(given: string | Uint8Array, wanted: string): boolean {
  const digest = (text: string | Uint8Array): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
