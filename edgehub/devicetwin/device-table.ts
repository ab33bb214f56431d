import { type Database, prepareAll, type Statements } from "../../platform/sqlite.ts";
import type { Device, DeviceMember } from "./device.ts";

interface Row {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly state: string;
  readonly last_online: string;
  readonly attributes: string;
  readonly twins: string;
}

/** The devices of this node; used inside transactions, so that what is decided rests on what is stored. */
export class DeviceTable {
  readonly #sql: Statements<keyof typeof sqlTexts>;

  constructor(database: Database) {
    this.#sql = prepareAll(database, sqlTexts);
  }

  get(id: string): Device | undefined {
    const row = this.#sql.get.get(id) as Row | undefined;
    return row && deviceOf(row);
  }

  /** In the order of their ids. */
  all(): Device[] {
    return (this.#sql.all.all() as Row[]).map(deviceOf);
  }

  /** Without their twins, which are most of it; in the order of their ids. */
  members(): DeviceMember[] {
    return (this.#sql.members.all() as Omit<Row, "twins">[]).map(memberOf);
  }

  ids(): string[] {
    return (this.#sql.ids.all() as { id: string }[]).map(({ id }) => id);
  }

  count(): number {
    return (this.#sql.count.get() as { count: number }).count;
  }

  put({ id, name, description, state, lastOnline, attributes, twins }: Device): void {
    const row = { id, name, description, state, last_online: lastOnline };
    this.#sql.put.run({ ...row, attributes: textOf(attributes), twins: textOf(twins) });
  }

  remove(id: string): void {
    this.#sql.remove.run(id);
  }
}

function deviceOf({ twins, ...member }: Row): Device {
  return { ...memberOf(member), twins: mapOf(twins) };
}

function memberOf({ last_online, attributes, ...rest }: Omit<Row, "twins">): DeviceMember {
  return { ...rest, lastOnline: last_online, attributes: mapOf(attributes) };
}

function textOf(map: ReadonlyMap<string, unknown>): string {
  return JSON.stringify(Object.fromEntries(map));
}

function mapOf<T>(text: string): Map<string, T> {
  return new Map(Object.entries(JSON.parse(text) as Record<string, T>));
}

const sqlTexts = {
  get: "SELECT * FROM device WHERE id = ?",
  all: "SELECT * FROM device ORDER BY id",
  members: "SELECT id, name, description, state, last_online, attributes FROM device ORDER BY id",
  ids: "SELECT id FROM device ORDER BY id",
  count: "SELECT count(*) AS count FROM device",
  put: `INSERT INTO device (id, name, description, state, last_online, attributes, twins)
      VALUES ($id, $name, $description, $state, $last_online, $attributes, $twins)
      ON CONFLICT (id) DO UPDATE SET name = $name, description = $description, state = $state,
        last_online = $last_online, attributes = $attributes, twins = $twins`,
  remove: "DELETE FROM device WHERE id = ?",
};
