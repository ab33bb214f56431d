import { HubError } from "../../protocol/index.ts";

/** A call's place among those to its service. */
export interface Turn {
  /** It need not wait. */
  readonly isNow: boolean;
  /** Resolves when it is this call's turn, with what gives the slot back. Rejects with a retryable `E_CLOSED`. */
  readonly comes: Promise<() => void>;
}

/** All by service. */
export interface SlotLimits {
  readonly running: number;
  readonly waiting: number;
  /** Of the calls that wait; a single larger one waits alone. */
  readonly waitingBytes: number;
}

interface Waiting {
  readonly bytes: number;
  start(): void;
  fail(error: HubError): void;
}

interface Service {
  running: number;
  waitingBytes: number;
  readonly waiting: Waiting[];
}

/** How many calls a service gets at once; those beyond wait in order. Services do not wait for each other. */
export class CallSlots {
  readonly #limits: SlotLimits;
  readonly #services = new Map<number, Service>();

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  /** @param port The service's. @param bytes Of the call. @returns `undefined`: too many wait already. */
  take(port: number, bytes: number): Turn | undefined {
    const service = this.#services.get(port) ?? { running: 0, waitingBytes: 0, waiting: [] };
    this.#services.set(port, service);
    const release = (): void => this.#release(port, service);
    if (service.running < this.#limits.running) {
      service.running++;
      return { isNow: true, comes: Promise.resolve(release) };
    }
    const { length } = service.waiting;
    const hasRoom = length === 0 || service.waitingBytes + bytes <= this.#limits.waitingBytes;
    if (length >= this.#limits.waiting || !hasRoom) return undefined;
    service.waitingBytes += bytes;
    const comes = new Promise<() => void>((resolve, reject) => {
      service.waiting.push({ bytes, start: () => resolve(release), fail: reject });
    });
    return { isNow: false, comes };
  }

  /** Turns away those who wait. */
  close(): void {
    const error = new HubError("E_CLOSED", "ServiceBus stops", { retryable: true });
    for (const { waiting } of this.#services.values())
      for (const one of waiting.splice(0, waiting.length)) one.fail(error);
  }

  #release(port: number, service: Service): void {
    const next = service.waiting.shift();
    if (next) {
      service.waitingBytes -= next.bytes;
      next.start();
      return;
    }
    service.running--;
    if (service.running === 0) this.#services.delete(port);
  }
}
