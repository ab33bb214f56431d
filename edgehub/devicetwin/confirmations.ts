import { prepareAll, type Statements } from "../../platform/sqlite.ts";
import { asHubError, type Message, type MessageId } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { isNamespaced, type Twin } from "./device.ts";
import type { DeviceTable } from "./device-table.ts";
import type { Stamp } from "./documents.ts";
import { stateUpdated, twinsUpdated } from "./upstream.ts";

type Parts = Pick<Agent, "store" | "clock" | "log" | "draft" | "peerConfirmsTwins">;

interface Row {
  readonly device: string;
  readonly property: string;
  readonly id: string;
}

/** The state of a device among its properties; none of those has an empty name. */
const stateProperty = "";
/** `waited` of what no cloud has been sent that confirms by messages: it is safe in the outbox until it is acked. */
const unsent = -1;
/** `waited` of what has just been sent to such a cloud, or will be with the next messages. */
const sent = 0;
/** So many at a look: the others have their turn at the next one. */
const maxRepeats = 1_000;

/**
 * A KubeEdge cloud takes what it is sent without an ack, and confirms twins by a message when it has stored them.
 * What it has not confirmed is repeated under the same id, with the values of now: that cloud keeps what comes last,
 * so an old value repeated after a newer one would undo it. The agent's own hub acks, and needs none of this.
 */
export class Confirmations {
  readonly #parts: Parts;
  readonly #devices: DeviceTable;
  readonly #newStamp: () => Stamp;
  readonly #timeoutMs: number;
  readonly #sql: Statements<keyof typeof sqlTexts>;
  #cancel: () => void = () => {};

  constructor(parts: Parts, options: { devices: DeviceTable; newStamp(): Stamp; timeoutMs: number }) {
    this.#parts = parts;
    this.#devices = options.devices;
    this.#newStamp = options.newStamp;
    this.#timeoutMs = options.timeoutMs;
    this.#sql = prepareAll(parts.store.database, sqlTexts);
  }

  /** Inside a transaction: the message tells of these properties. Which cloud gets it is seen once a link is up. */
  awaitTwins(device: string, properties: Iterable<string>, id: MessageId): void {
    const waited = this.#parts.peerConfirmsTwins ? sent : unsent;
    for (const property of properties) this.#sql.add.run(device, property, id, waited);
  }

  /** Inside a transaction: the message tells of the device's state. Clouds without namespaced ids ignore those. */
  awaitState(device: string, id: MessageId): void {
    if (isNamespaced(device)) this.awaitTwins(device, [stateProperty], id);
  }

  /** Inside a transaction: the cloud wants to hear nothing more of the device. */
  forget(device: string): void {
    this.#sql.forget.run(device);
  }

  /** The cloud has taken the message. */
  async confirmed(id: string): Promise<void> {
    await this.#parts.store.write(() => this.#sql.confirmed.run(id));
  }

  /** The link has come up or gone. */
  connection(connected: boolean): void {
    this.#cancel();
    if (!connected) return;
    if (this.#parts.peerConfirmsTwins) {
      this.#write(() => this.#takeOver());
      this.#lookLater();
    } else this.#write((publish) => this.#handOver(publish));
  }

  stop(): void {
    this.#cancel();
  }

  #lookLater(): void {
    this.#cancel = this.#parts.clock.after(this.#timeoutMs, () => {
      this.#write((publish) => this.#look(publish));
      this.#lookLater();
    });
  }

  /** What has waited a whole period or more, and has left the outbox, goes again. */
  #look(publish: (message: Message) => void): void {
    const due = this.#sql.due.all(maxRepeats) as Row[];
    this.#sql.ripen.run();
    for (const { device, property } of due) this.#sql.repeated.run(device, property);
    this.#repeat(due, publish);
  }

  /** This cloud gets what is in the outbox without an ack, and has a whole period for all it was sent before. */
  #takeOver(): void {
    this.#sql.dropAcked.run();
    this.#sql.startAnew.run();
  }

  /** This cloud acks: what is in the outbox is safe, what another cloud was sent goes once more. */
  #handOver(publish: (message: Message) => void): void {
    this.#sql.dropAcked.run();
    this.#repeat(this.#sql.gone.all() as Row[], publish);
    this.#sql.unsend.run();
  }

  #repeat(rows: readonly Row[], publish: (message: Message) => void): void {
    const byId = Map.groupBy(rows, (row) => `${row.id} ${row.property === stateProperty}`);
    for (const told of byId.values()) {
      const [{ device: id, id: message, property }] = told as [Row];
      const device = this.#devices.get(id);
      if (device === undefined) continue;
      const twins = told.flatMap((row): [string, Twin][] => {
        const twin = device.twins.get(row.property);
        return twin ? [[row.property, twin]] : [];
      });
      const draft =
        property === stateProperty
          ? stateUpdated(device, this.#newStamp())
          : twinsUpdated(id, this.#newStamp(), new Map(twins));
      publish(this.#parts.draft({ ...draft, id: message }));
    }
  }

  #write(work: (publish: (message: Message) => void) => void): void {
    this.#parts.store.write(work).catch((error: unknown) => {
      this.#parts.log.warn("unconfirmed twins could not be looked at; trying again later", {
        error: asHubError(error),
      });
    });
  }
}

const sqlTexts = {
  add: `INSERT INTO twin_unconfirmed (device, property, id, waited) VALUES (?, ?, ?, ?)
      ON CONFLICT (device, property) DO UPDATE SET id = excluded.id, waited = excluded.waited`,
  forget: "DELETE FROM twin_unconfirmed WHERE device = ?",
  confirmed: "DELETE FROM twin_unconfirmed WHERE id = ?",
  dropAcked: `DELETE FROM twin_unconfirmed WHERE waited = ${unsent} AND id NOT IN (SELECT id FROM outbox)`,
  startAnew: `UPDATE twin_unconfirmed SET waited = ${sent} WHERE waited <> ${sent}`,
  unsend: `UPDATE twin_unconfirmed SET waited = ${unsent} WHERE waited <> ${unsent}`,
  due: `SELECT device, property, id FROM twin_unconfirmed
      WHERE waited > ${sent} AND id NOT IN (SELECT id FROM outbox) ORDER BY waited, device, property LIMIT ?`,
  ripen: `UPDATE twin_unconfirmed SET waited = 1 WHERE waited = ${sent}`,
  repeated: "UPDATE twin_unconfirmed SET waited = waited + 1 WHERE device = ? AND property = ?",
  gone: `SELECT device, property, id FROM twin_unconfirmed
      WHERE id NOT IN (SELECT id FROM outbox) ORDER BY device, property`,
};
