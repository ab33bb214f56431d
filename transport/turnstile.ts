import type { Socket } from "node:net";
import { HubError, Pacer } from "../protocol/index.ts";

export interface TurnstileOptions {
  /** TLS handshakes begun in a second, in the long run: each costs milliseconds in which no other peer is served. */
  readonly perSecond: number;
  /** Who has waited so long is cut off. */
  readonly maxWaitMs: number;
}

export interface TurnstileParts {
  /** Begins the handshake. */
  enter(socket: Socket): void;
  /** Too many wait, or it has waited too long: it is cut off. */
  refused(error: HubError, socket: Socket): void;
  /** Who comes in would have to wait there: everybody waits here. */
  isCrowded?(): boolean;
}

interface Waiting {
  readonly socket: Socket;
  readonly since: number;
}

/** So many handshakes are begun before peers that are connected have their turn: one is about a millisecond. */
const perTurn = 1;
/** So many are begun without a pause, if there have been few. */
const leastBurst = 4;
/** What is crowded is looked at again after so long. */
const crowdedMs = 20;
/** One address may take so much of the room: a machine that floods leaves room for others. */
const shareOfOneAddress = 0.75;

/**
 * Holds new connections back before TLS, so that those of a whole fleet at once do not keep connected peers waiting.
 * Addresses take turns. What waits has cost nothing yet but its socket.
 */
export class Turnstile {
  readonly #parts: TurnstileParts;
  readonly #options: TurnstileOptions;
  readonly #pacer: Pacer;
  readonly #maxWaiting: number;
  /** Who waits, by address; the address whose turn it is stands first. */
  readonly #lines = new Map<string, Waiting[]>();
  #waiting = 0;
  #cancel: (() => void) | undefined;

  constructor(parts: TurnstileParts, options: TurnstileOptions) {
    this.#parts = parts;
    this.#options = options;
    // Within a second or so it is their turn, or they wait in vain.
    this.#maxWaiting = Math.max(16, Math.floor((options.perSecond * options.maxWaitMs) / 1_000));
    this.#pacer = new Pacer(
      { burst: Math.max(leastBurst, options.perSecond / 4), perSecond: options.perSecond },
      performance.now(),
    );
  }

  get waiting(): number {
    return this.#waiting;
  }

  add(socket: Socket): void {
    const address = socket.remoteAddress ?? "?";
    const line = this.#lines.get(address) ?? [];
    if (this.#waiting >= this.#maxWaiting || line.length >= this.#maxWaiting * shareOfOneAddress) {
      this.#cutOff(socket, `${this.#waiting} connections wait for their TLS handshake`);
      return;
    }
    if (line.length === 0) this.#lines.set(address, line);
    line.push({ socket, since: performance.now() });
    this.#waiting++;
    // Nobody else hears of its end before TLS has it.
    socket.on("error", ignored);
    if (this.#cancel === undefined) this.#letIn();
  }

  /** Cuts off who waits. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const line of this.#lines.values()) for (const { socket } of line) socket.destroy();
    this.#lines.clear();
    this.#waiting = 0;
  }

  #letIn(): void {
    this.#cancel = undefined;
    const now = performance.now();
    const crowded = this.#parts.isCrowded?.() ?? false;
    let begun = 0;
    while (this.#waiting > 0 && begun < perTurn) {
      if (this.#isDropped(now)) continue;
      if (crowded || !this.#pacer.take(now)) break;
      const { socket } = this.#next() as Waiting;
      begun++;
      this.#parts.enter(socket);
    }
    if (this.#waiting === 0) return;
    if (crowded) this.#goOn(crowdedMs);
    else this.#goOn(begun === perTurn ? 0 : this.#pacer.wakeAt() - now);
  }

  /** Takes the first one away if it has gone, or has waited too long. */
  #isDropped(now: number): boolean {
    const [line] = this.#lines.values();
    const first = line?.[0];
    if (first === undefined) return false;
    const late = now - first.since > this.#options.maxWaitMs;
    if (!late && !first.socket.destroyed) return false;
    this.#next();
    if (late) this.#cutOff(first.socket, "it has waited too long for its TLS handshake");
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

  #cutOff(socket: Socket, text: string): void {
    this.#parts.refused(new HubError("E_BUSY", text), socket);
    socket.on("error", ignored);
    socket.destroy();
  }
}

function ignored(): void {}
