import { counted } from "../../platform/quantities.ts";
import { readDatabase } from "../../platform/read-only-sqlite.ts";
import { type Column, formatTable } from "../../platform/table.ts";
import { type Device, isDeleted, type Twin } from "../devicetwin/device.ts";
import { DeviceTable } from "../devicetwin/device-table.ts";
import { edgeApplicationId } from "../store/schema.ts";
import type { Listing } from "./listing.ts";

/** Its properties that were not deleted, by name. */
export function propertiesOf({ twins }: Device): (readonly [name: string, twin: Twin])[] {
  return [...twins].filter(([, twin]) => !isDeleted(twin)).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Does the cloud want another value than the device has told? */
export function differs({ expected, actual }: Twin): boolean {
  return expected?.value !== undefined && expected.value !== actual?.value;
}

const columns: Column<Device>[] = [
  { title: "DEVICE", cell: ({ id }) => id },
  { title: "STATE", cell: ({ state }) => state },
  { title: "LAST ONLINE", cell: ({ lastOnline }) => lastOnline },
  { title: "PROPERTIES", cell: (device) => propertiesOf(device).length, align: "right" },
  {
    title: "DIFFER",
    cell: (device) => propertiesOf(device).filter(([, twin]) => differs(twin)).length,
    align: "right",
  },
  { title: "DESCRIPTION", cell: ({ description }) => description, optional: true, sparse: true },
];

/** The devices of DeviceTwin as a list. Throws as `readDatabase`. */
export function listDevices(file: string): Listing {
  const devices = readDatabase(file, edgeApplicationId, (database) => new DeviceTable(database).all());
  return {
    rows: devices.length,
    plain: devices.map((device) => ({
      ...device,
      attributes: Object.fromEntries(device.attributes),
      twins: Object.fromEntries(propertiesOf(device)),
    })),
    remark: `${counted(devices.length, "device")} on this node`,
    lines: (_now, width) => formatTable(devices, columns, { width }),
  };
}
