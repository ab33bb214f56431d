import { formatAge } from "../../platform/quantities.ts";
import type { Database } from "../../platform/sqlite.ts";
import type { Column } from "../../platform/table.ts";
import type { Attribute, Twin, TwinValue, TwinVersion } from "../devicetwin/device.ts";
import { DeviceTable } from "../devicetwin/device-table.ts";
import { differs, findDevice, propertiesOf } from "./devices.ts";
import type { Wanted } from "./listing.ts";
import { type Upward, upwardColumns, upwardMessages } from "./messages.ts";
import { Sections } from "./sections.ts";

type Property = readonly [name: string, twin: Twin];

/** All that is known of a device. @param now Wall clock, ms. Throws `E_NOT_FOUND`. */
export function describeDevice(database: Database, wanted: Wanted, now: number): string {
  const device = findDevice(new DeviceTable(database), wanted);
  const { waiting, refused } = upwardMessages(database);
  const isOfDevice = ({ message: { resource } }: Upward): boolean =>
    resource.path.startsWith(`device/${device.id}/`);
  const properties = propertiesOf(device);
  return new Sections()
    .fields([
      ["Device", device.id],
      ["Name", device.name],
      ["Description", device.description],
      ["State", device.state || "unknown"],
      ["Last online", device.lastOnline || "never"],
      [
        "Properties",
        `${properties.length}, of which ${properties.filter(([, twin]) => differs(twin)).length} differ`,
      ],
    ])
    .table("Twins", properties, twinColumns(now))
    .table("Attributes", [...device.attributes], attributeColumns)
    .table("Not confirmed by the hub", unconfirmedOf(database, device.id), unconfirmedColumns)
    .table("Messages about it to the hub", [...refused, ...waiting].filter(isOfDevice), upwardColumns(now))
    .text;
}

const twinColumns = (now: number): Column<Property>[] => [
  { title: "PROPERTY", cell: ([name]) => name },
  { title: "TYPE", cell: ([, { metadata }]) => metadata?.type, sparse: true },
  { title: "EXPECTED", cell: ([, { expected }]) => expected?.value },
  { title: "SINCE", cell: ([, { expected }]) => ageOf(expected, now), sparse: true },
  { title: "ACTUAL", cell: ([, { actual }]) => actual?.value },
  { title: "SINCE", cell: ([, { actual }]) => ageOf(actual, now), sparse: true },
  { title: "DIFFER", cell: ([, twin]) => (differs(twin) ? "yes" : "") },
  {
    title: "VERSIONS (CLOUD/EDGE)",
    cell: ([, twin]) =>
      [versionOf("expected", twin.expected_version), versionOf("actual", twin.actual_version)]
        .filter(Boolean)
        .join(", "),
    sparse: true,
  },
];

function ageOf(value: TwinValue | undefined, now: number): string | undefined {
  const at = value?.metadata?.timestamp;
  return at === undefined ? undefined : formatAge(at, now);
}

function versionOf(part: string, version: TwinVersion | undefined): string {
  return version ? `${part} ${version.cloud}/${version.edge}` : "";
}

const attributeColumns: Column<readonly [name: string, attribute: Attribute]>[] = [
  { title: "NAME", cell: ([name]) => name },
  { title: "VALUE", cell: ([, { value }]) => value },
  { title: "TYPE", cell: ([, { metadata }]) => metadata?.type, sparse: true },
];

interface Unconfirmed {
  readonly property: string;
  readonly waited: number;
}

const unconfirmedColumns: Column<Unconfirmed>[] = [
  { title: "WHAT", cell: ({ property }) => property || "state" },
  { title: "REPEATS", cell: ({ waited }) => Math.max(waited - 1, 0), align: "right" },
];

function unconfirmedOf(database: Database, device: string): Unconfirmed[] {
  return database
    .prepare("SELECT property, waited FROM twin_unconfirmed WHERE device = ? ORDER BY property")
    .all(device) as Unconfirmed[];
}
