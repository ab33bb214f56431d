import type { Socket } from "node:net";
import { HubError, Pacer } from "../protocol/index.ts";

export interface TurnstileOptions {
  /** Handshakes begun in a second, in the long run: each costs milliseconds in which no other peer is served. */
  readonly perSecond: number;
  /** Who has waited so long is cut off: its own patience will end. */
  readonly maxWaitMs: number;
  /** So many may wait. Who comes then is cut off and comes again and again: better all of a fleet wait here, quietly. */
  readonly maxWaiting: number;
  /** Who comes in would have to wait there: everybody waits here. */
  readonly isCrowded?: () => boolean;
}

/** Somebody who wants to come in. */
export interface Arrival {
  /** Where from, without a port: addresses take turns. */
  readonly address: string;
  /** It is known to have hung up. Of a socket that is not read, nobody knows. */
  isGone(): boolean;
  /** Its turn has come. */
  enter(): void;
  /** Too many wait, or it has waited too long; `undefined`: nobody is let in any more. */
  cutOff(error: HubError | undefined): void;
}

interface Waiting {
  readonly arrival: Arrival;
  readonly since: number;
}

/** So many handshakes are begun before peers that are connected have their turn: one is about a millisecond. */
const perTurn = 1;
/** So many are begun without a pause, if there have been few: what follows on each comes at the same time too. */
const leastBurst = 4;
const burstMs = 60;
/** What is crowded is looked at again after so long. */
const crowdedMs = 20;
/** So many that have gone or have waited too long are taken away in one turn. */
const dropsPerTurn = 4;
/** Those that have gone are looked for no oftener than so, ms. */
const lookForGoneMs = 200;
/** One address may take so much of the room: a machine that floods leaves room for others. */
const shareOfOneAddress = 0.75;
/** Who is told when to come again is told so much at least, ms. */
const leastRetryMs = 1_000;

/**
 * Holds new connections back, so that those of a whole fleet at once do not keep connected peers waiting. One stands before
 * all listeners that are to share a pace. Addresses take turns, whatever they come over. What waits has cost little yet:
 * of TCP its socket.
 */
export class Turnstile {
  readonly #options: TurnstileOptions;
  readonly #pacer: Pacer;
  /** When those that have gone were looked for. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Who waits, by address; the address whose turn it is stands first. */
  readonly #lines = new Map<string, Waiting[]>();
  #waiting = 0;
  #cancel: (() => void) | undefined;

  constructor(options: TurnstileOptions) {
    const { perSecond } = options;
    this.#options = options;
    this.#pacer = new Pacer(
      { burst: Math.max(leastBurst, (perSecond * burstMs) / 1_000), perSecond },
      performance.now(),
    );
  }

  get waiting(): number {
    return this.#waiting;
  }

  add(arrival: Arrival): void {
    const { address } = arrival;
    const { maxWaiting } = this.#options;
    if (this.#waiting >= maxWaiting) this.#dropGone();
    const line = this.#lines.get(address) ?? [];
    if (this.#waiting >= maxWaiting || line.length >= maxWaiting * shareOfOneAddress) {
      arrival.cutOff(this.busy(`${this.#waiting} connections wait for their handshake`));
      return;
    }
    if (line.length === 0) this.#lines.set(address, line);
    line.push({ arrival, since: performance.now() });
    this.#waiting++;
    if (this.#cancel === undefined) this.#letIn();
  }

  /** Those that have gone give their places back. */
  #dropGone(): void {
    const now = performance.now();
    if (now - this.#lookedAt < lookForGoneMs) return;
    this.#lookedAt = now;
    for (const [address, line] of this.#lines) {
      const still = line.filter(({ arrival }) => !arrival.isGone());
      this.#waiting -= line.length - still.length;
      // An address keeps its turn.
      if (still.length > 0) this.#lines.set(address, still);
      else this.#lines.delete(address);
    }
  }

  /** What is told to who cannot be let in: to come again when those have been served that wait now. */
  busy(text: string): HubError {
    const retryAfterMs = Math.max(
      leastRetryMs,
      Math.round((this.#waiting * 1_000) / this.#options.perSecond),
    );
    return new HubError("E_BUSY", text, { retryAfterMs });
  }

  /** Cuts off who waits. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    this.#waiting = 0;
    for (const line of lines) for (const { arrival } of line) arrival.cutOff(undefined);
  }

  #letIn(): void {
    this.#cancel = undefined;
    const now = performance.now();
    const crowded = this.#options.isCrowded?.() ?? false;
    let begun = 0;
    let dropped = 0;
    while (this.#waiting > 0 && begun < perTurn && dropped < dropsPerTurn) {
      if (this.#isDropped(now)) {
        dropped++;
        continue;
      }
      if (crowded || !this.#pacer.take(now)) break;
      const { arrival } = this.#next() as Waiting;
      begun++;
      arrival.enter();
    }
    if (this.#waiting === 0) return;
    if (dropped === dropsPerTurn) this.#goOn(0);
    else if (crowded) this.#goOn(crowdedMs);
    else this.#goOn(begun === perTurn ? 0 : this.#pacer.wakeAt() - now);
  }

  /** Takes the first one away if it has gone, or has waited too long. */
  #isDropped(now: number): boolean {
    const [line] = this.#lines.values();
    const first = line?.[0];
    if (first === undefined) return false;
    const late = now - first.since > this.#options.maxWaitMs;
    const gone = first.arrival.isGone();
    if (!late && !gone) return false;
    this.#next();
    if (!gone) first.arrival.cutOff(this.busy("it has waited too long for its handshake"));
    return true;
  }

  #next(): Waiting | undefined {
    const [entry] = this.#lines;
    if (entry === undefined) return undefined;
    const [address, line] = entry;
    const first = line.shift();
    this.#lines.delete(address);
    if (line.length > 0) this.#lines.set(address, line);
    this.#waiting--;
    return first;
  }

  /** @param afterMs 0: in the next turn. */
  #goOn(afterMs: number): void {
    if (afterMs === 0) {
      const soon = setImmediate(() => this.#letIn());
      this.#cancel = () => clearImmediate(soon);
      return;
    }
    const timer = setTimeout(() => this.#letIn(), Math.max(1, Math.ceil(afterMs)));
    this.#cancel = () => clearTimeout(timer);
  }
}

export interface SocketArrivalParts {
  /** Begins the TLS handshake. */
  enter(socket: Socket): void;
  refused(error: HubError, socket: Socket): void;
}

/** A TCP connection before its TLS handshake. */
export class SocketArrival implements Arrival {
  readonly #socket: Socket;
  readonly #parts: SocketArrivalParts;

  constructor(socket: Socket, parts: SocketArrivalParts) {
    this.#socket = socket;
    this.#parts = parts;
    // Nobody else hears of its end before TLS has it.
    socket.on("error", ignored);
  }

  get address(): string {
    return this.#socket.remoteAddress ?? "?";
  }

  isGone(): boolean {
    return this.#socket.destroyed;
  }

  enter(): void {
    this.#parts.enter(this.#socket);
    // TLS listens to it now.
    this.#socket.off("error", ignored);
  }

  cutOff(error: HubError | undefined): void {
    if (error !== undefined) this.#parts.refused(error, this.#socket);
    this.#socket.destroy();
  }
}

function ignored(): void {}
