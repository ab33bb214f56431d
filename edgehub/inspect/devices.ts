import { counted } from "../../platform/quantities.ts";
import { type Device, isDeleted, type Twin } from "../devicetwin/device.ts";
import { DeviceTable } from "../devicetwin/device-table.ts";
import { notFound } from "./find.ts";
import { type ListColumn, type Listing, listingOf, type Wanted } from "./listing.ts";
import { readEdge } from "./place.ts";

/** Its properties that were not deleted, by name. */
export function propertiesOf({ twins }: Device): (readonly [name: string, twin: Twin])[] {
  return [...twins].filter(([, twin]) => !isDeleted(twin)).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Does the cloud want another value than the device has told? */
export function differs({ expected, actual }: Twin): boolean {
  return expected?.value !== undefined && expected.value !== actual?.value;
}

/**
 * The device that is meant by its id, or by what follows the namespace in it: ids of later clouds have one in front.
 *
 * Throws `E_NOT_FOUND`.
 */
export function findDevice(table: DeviceTable, { name = "", namespace }: Partial<Wanted>): Device {
  const id = namespace === undefined || name.includes("/") ? name : `${namespace}/${name}`;
  const found = table.get(id);
  if (found !== undefined) return found;
  const [first, second] = table.all().filter((device) => device.id.endsWith(`/${id}`));
  if (first !== undefined && second === undefined) return first;
  throw notFound("device", id, table.ids());
}

const columns: ListColumn<Device>[] = [
  { title: "NAME", cell: ({ id }) => id },
  { title: "STATE", cell: ({ state }) => state },
  { title: "LAST ONLINE", cell: ({ lastOnline }) => lastOnline },
  { title: "PROPERTIES", cell: (device) => propertiesOf(device).length, align: "right" },
  {
    title: "DIFFER",
    cell: (device) => propertiesOf(device).filter(([, twin]) => differs(twin)).length,
    align: "right",
  },
  { title: "ATTRIBUTES", cell: ({ attributes }) => attributes.size, align: "right", wide: true },
  { title: "DESCRIPTION", cell: ({ description }) => description, wide: true },
];

/** The devices of DeviceTwin as a list. Throws `E_NOT_FOUND`, and as `readDatabase`. */
export function listDevices(file: string, wanted: Wanted): Listing {
  const { name, namespace } = wanted;
  const devices = readEdge(file, (database) => {
    const table = new DeviceTable(database);
    if (name !== undefined) return [findDevice(table, wanted)];
    return table.all().filter(({ id }) => namespace === undefined || id.startsWith(`${namespace}/`));
  });
  return listingOf(devices, {
    wanted,
    columns,
    plain: (device) => ({
      ...device,
      attributes: Object.fromEntries(device.attributes),
      twins: Object.fromEntries(propertiesOf(device)),
    }),
    remark: `${counted(devices.length, "device")} on this node${namespace === undefined ? "" : ` in ${namespace}`}`,
  });
}
