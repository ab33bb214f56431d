import type { Sequence } from "../platform/sqlite.ts";
import { HubError } from "../protocol/index.ts";

/** What EventBus offers to other modules. */
export interface LocalMqtt {
  /** Publishes to the brokers of this node. Resolves when they have it, or will get it. */
  publish(topic: string, payload: Uint8Array | string): Promise<void>;
}

/** What DeviceTwin offers to EventBus. */
export interface DeviceReports {
  /**
   * A message of a device, or of a program about one. Resolves when it is durable or done.
   *
   * @param sequence Of its sender.
   */
  report(topic: string, payload: Uint8Array, sequence?: Sequence): Promise<void>;
}

/** Where EventBus and DeviceTwin find each other, though either may be off, or down for a moment. */
export class LocalBus {
  #mqtt: LocalMqtt | undefined;
  #twin: DeviceReports | undefined;

  /** @param mqtt `undefined`: down. */
  offerMqtt(mqtt: LocalMqtt | undefined): void {
    this.#mqtt = mqtt;
  }

  /** @param twin `undefined`: down. */
  offerTwin(twin: DeviceReports | undefined): void {
    this.#twin = twin;
  }

  /** Rejects with a retryable `E_NO_MODULE` while there is no broker. */
  async publish(topic: string, payload: Uint8Array | string): Promise<void> {
    if (this.#mqtt === undefined)
      throw new HubError("E_NO_MODULE", "EventBus does not run", { retryable: true });
    await this.#mqtt.publish(topic, payload);
  }

  /** Rejects with a retryable `E_NO_MODULE` while DeviceTwin is down. */
  async report(topic: string, payload: Uint8Array, sequence?: Sequence): Promise<void> {
    if (this.#twin === undefined)
      throw new HubError("E_NO_MODULE", "DeviceTwin does not run", { retryable: true });
    await this.#twin.report(topic, payload, sequence);
  }
}
