import { HubError } from "../../protocol/index.ts";

interface Service {
  running: number;
  readonly waiting: { start(): void; fail(error: HubError): void }[];
}

/** How many calls a service gets at once; those beyond wait in order. Services do not wait for each other. */
export class CallSlots {
  readonly #perService: number;
  readonly #maxWaiting: number;
  readonly #services = new Map<number, Service>();

  /** Both by service. */
  constructor(limits: { running: number; waiting: number }) {
    this.#perService = limits.running;
    this.#maxWaiting = limits.waiting;
  }

  /**
   * @param port The service's.
   * @returns Gives the slot back, once it is this call's turn; `undefined`: too many wait already. Rejects with a
   *   retryable `E_CLOSED`.
   */
  take(port: number): Promise<() => void> | undefined {
    const service = this.#services.get(port) ?? { running: 0, waiting: [] };
    this.#services.set(port, service);
    const release = (): void => this.#release(port, service);
    if (service.running < this.#perService) {
      service.running++;
      return Promise.resolve(release);
    }
    if (service.waiting.length >= this.#maxWaiting) return undefined;
    return new Promise((resolve, reject) => {
      service.waiting.push({ start: () => resolve(release), fail: reject });
    });
  }

  /** Turns away those who wait. */
  close(): void {
    const error = new HubError("E_CLOSED", "ServiceBus stops", { retryable: true });
    for (const { waiting } of this.#services.values())
      for (const one of waiting.splice(0, waiting.length)) one.fail(error);
  }

  #release(port: number, service: Service): void {
    const next = service.waiting.shift();
    next?.start();
    if (next) return;
    service.running--;
    if (service.running === 0) this.#services.delete(port);
  }
}
