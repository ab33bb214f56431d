import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from "mqtt";
import type { Clock } from "../../platform/clock.ts";
import type { Sequence } from "../../platform/sqlite.ts";
import { asHubError, HubError } from "../../protocol/index.ts";
import { hangUp } from "./hang-up.ts";

export interface SessionParts {
  readonly clock: Clock;
  /**
   * @param sequence Of what the broker wants to be confirmed; `undefined`: it does not.
   * @returns `undefined`: confirm it at once. Else resolves when it may be confirmed; rejects if it must not be, which
   *   ends the connection, so that the broker sends it again with the next one.
   */
  take(topic: string, payload: Uint8Array, sequence: Sequence | undefined): Promise<void> | undefined;
  /** The broker has let us in. @param resumed It still has our subscriptions, and messages that came meanwhile. */
  connected(resumed: boolean): void;
}

/** Messages whose confirmations may be outstanding; MQTT 5 brokers are told so. */
export const maxUnconfirmed = 1_000;

/** MQTT 5's reason code. */
const quotaExceeded = 0x97;

/** Of a PUBLISH beside topic and payload, at most. */
const publishOverheadBytes = 10;

/** What is overridden of the client, which is not part of its interface. */
interface PacketSender {
  _sendPacket(packet: { cmd: string; messageId?: number }, done?: () => void, ...more: unknown[]): void;
}

/** One connection to an external broker, from the dialling to its end. */
export class ExternalSession {
  /** Resolves when it is over, with what ended it. */
  readonly ended: Promise<unknown>;
  readonly #client: MqttClient;
  readonly #parts: SessionParts;
  /** Packet id → resolves when its confirmation may leave: all before it have been confirmed. */
  readonly #unconfirmed = new Map<number, Promise<void>>();
  readonly #sequence: Sequence = {};
  readonly #publishing = new Set<(error: HubError) => void>();
  /** Sent and not confirmed, and what waits for less of it. Invariant: nothing waits if there is room. */
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];
  /** What an MQTT 5 broker takes; the client does not look at it. */
  #maxInFlight = Number.POSITIVE_INFINITY;
  #maxPacketBytes = Number.POSITIVE_INFINITY;
  #lastTaken: Promise<void> = Promise.resolve();
  /** Messages of quality 0 that are not dealt with. */
  #unpromised = 0;
  #reason: unknown;
  #upSince: number | undefined;
  #isOver = false;

  constructor(options: IClientOptions, parts: SessionParts) {
    this.#parts = parts;
    // The cache is a buffer for each number of two bytes, 13 MiB, and makes nothing faster.
    const own = { reconnectPeriod: 0, resubscribe: false, writeCache: false };
    const client = mqtt.connect({ ...options, ...own });
    this.#client = client;
    this.#holdConfirmations();
    client.on("connect", ({ sessionPresent, properties }: IConnackPacket) => {
      this.#maxInFlight = properties?.receiveMaximum ?? Number.POSITIVE_INFINITY;
      this.#maxPacketBytes = properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY;
      this.#upSince = parts.clock.now();
      parts.connected(sessionPresent);
    });
    client.on("error", (error) => {
      this.#reason ??= error;
    });
    client.on("disconnect", ({ reasonCode }) => {
      this.#reason ??= new Error(`the broker disconnected us, reason ${reasonCode}`);
    });
    this.ended = new Promise((resolve) => client.once("close", () => resolve(this.#finish())));
  }

  /** When the broker let us in, monotonic ms; `undefined`: it has not. */
  get upSince(): number | undefined {
    return this.#upSince;
  }

  get isUp(): boolean {
    return this.#upSince !== undefined && !this.#isOver;
  }

  /**
   * Resolves when the broker has confirmed it. Rejects with `E_LINK_LOST`, with `E_REFUSED` if it may not be, or with
   * `E_TOO_LARGE`: sent all the same, it would end the connection each time.
   */
  publish(topic: string, payload: Uint8Array | string): Promise<void> {
    const bytes = Buffer.byteLength(topic) + Buffer.byteLength(payload) + publishOverheadBytes;
    if (bytes > this.#maxPacketBytes) {
      const text = `the external broker takes packets of up to ${this.#maxPacketBytes} bytes, this one would have ${bytes}`;
      return Promise.reject(new HubError("E_TOO_LARGE", text));
    }
    return new Promise((resolve, reject) => {
      this.#publishing.add(reject);
      const body = typeof payload === "string" ? payload : Buffer.from(payload);
      const send = (): void => {
        this.#inFlight++;
        this.#client.publish(topic, body, { qos: 1 }, (error) => {
          this.#publishing.delete(reject);
          if (error) reject(publishError(error));
          else resolve();
          this.#inFlight--;
          if (!this.#isOver) this.#waiting.shift()?.();
        });
      };
      if (this.#inFlight < this.#maxInFlight) send();
      else this.#waiting.push(send);
    });
  }

  /** Rejects if the broker says no, or is gone. */
  async subscribe(filter: string): Promise<void> {
    await this.#client.subscribeAsync(filter, { qos: 1, nl: true });
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.#client.unsubscribeAsync(filter);
  }

  /** Ends it; what is unconfirmed stays so. */
  end(reason?: unknown): void {
    this.#reason ??= reason;
    if (this.isUp) hangUp(this.#client.stream, this.#parts.clock, () => this.#client.end(true));
    else this.#client.end(true);
  }

  /** Reads on, unless too much of what needs no confirmation waits to be dealt with. */
  #goOnAfter(taken: Promise<void> | undefined, next: () => void): void {
    const isFull = taken !== undefined && ++this.#unpromised >= maxUnconfirmed;
    void taken?.then(() => {
      this.#unpromised--;
      if (isFull) next();
    });
    if (!isFull) next();
  }

  #finish(): unknown {
    this.#isOver = true;
    const lost = new HubError("E_LINK_LOST", "the connection to the external broker was lost");
    for (const reject of this.#publishing) reject(lost);
    this.#publishing.clear();
    return this.#reason ?? lost;
  }

  /**
   * The client hands over one message at a time and waits for each to be confirmed, which would cost a commit each.
   * Here it goes on at once, and its PUBACK is held back instead: those of one turn share one commit.
   */
  #holdConfirmations(): void {
    this.#client.handleMessage = ({ topic, payload, qos, messageId }, next) => {
      const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
      const sequence = qos === 0 ? undefined : this.#sequence;
      // The connection is about to end; unconfirmed, it comes again behind the one that was not taken.
      if (sequence?.failure) return;
      const taken = this.#parts.take(topic, bytes, sequence);
      // What becomes of it is logged; nobody was promised anything.
      if (qos === 0 || messageId === undefined)
        return this.#goOnAfter(
          taken?.catch(() => undefined),
          next,
        );
      // Told below, when its turn has come.
      taken?.catch((error: unknown) => {
        this.#sequence.failure ??= asHubError(error);
      });
      const confirmable = this.#lastTaken.then(() => taken);
      confirmable.catch((error: unknown) => this.end(error));
      this.#lastTaken = confirmable;
      this.#unconfirmed.set(messageId, confirmable);
      if (this.#unconfirmed.size < maxUnconfirmed) next();
      else
        confirmable.then(
          () => next(),
          () => next(),
        );
    };
    const sender = this.#client as unknown as PacketSender;
    const send = sender._sendPacket.bind(this.#client);
    sender._sendPacket = (packet, done, ...more) => {
      const held = packet.cmd === "puback" ? this.#unconfirmed.get(packet.messageId ?? 0) : undefined;
      if (held === undefined) return send(packet, done, ...more);
      done?.();
      held.then(
        () => {
          this.#unconfirmed.delete(packet.messageId ?? 0);
          if (!this.#isOver) send(packet);
        },
        () => undefined,
      );
    };
  }
}

/** A number is the broker's reason; without one the connection was going to end. */
function publishError(cause: Error): HubError {
  const { code } = cause as { code?: unknown };
  const text = `the external broker: ${cause.message}`;
  if (typeof code !== "number") return new HubError("E_LINK_LOST", text, { cause });
  return new HubError("E_REFUSED", text, { cause, retryable: code === quotaExceeded });
}
