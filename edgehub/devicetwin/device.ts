/** Devices as DeviceTwin keeps them. The fields of twins and attributes are those of KubeEdge's documents. */

/** Who changed a value how often. Source: KubeEdge's optimistic concurrency, one count a side. */
export interface TwinVersion {
  readonly cloud: number;
  readonly edge: number;
}

/** Without `value`: the property was deleted. */
export interface TwinValue {
  readonly value?: string;
  /** When it was set, by this node's clock, ms since 1970. */
  readonly metadata?: { readonly timestamp: number };
}

/** A property: what the cloud wants and what the device says. */
export interface Twin {
  readonly expected?: TwinValue;
  readonly actual?: TwinValue;
  /** It may be deleted. Left out only where a document tells of changes and this is none. */
  readonly optional?: boolean;
  readonly metadata?: { readonly type?: string };
  readonly expected_version?: TwinVersion;
  readonly actual_version?: TwinVersion;
}

/** The two halves of a property, in the order in which they are treated. */
export const twinParts = ["expected", "actual"] as const;
export type TwinPart = (typeof twinParts)[number];

/** Something about a device that the cloud says and that stays. */
export interface Attribute {
  readonly value: string;
  readonly optional?: boolean;
  readonly metadata?: { readonly type?: string };
}

export type Twins = ReadonlyMap<string, Twin>;
export type Attributes = ReadonlyMap<string, Attribute>;

export interface Device {
  /** `<name>` from a cloud of KubeEdge 1.15, `<namespace>/<name>` from later ones. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly state: string;
  /** Text as the documents show it; empty: never. */
  readonly lastOnline: string;
  readonly attributes: Attributes;
  readonly twins: Twins;
}

/** A device as one of those of this node. */
export type DeviceMember = Omit<Device, "twins">;

/** The type of a property that was deleted: its row stays, so that its versions go on if it comes back. */
const deletedType = "deleted";

export function isDeleted(twin: Twin): boolean {
  return twin.metadata?.type === deletedType;
}

/** What is left of a deleted property. */
export function tombstone(twin: Twin): Twin {
  return {
    ...(twin.expected || twin.expected_version ? { expected: {} } : {}),
    ...(twin.actual || twin.actual_version ? { actual: {} } : {}),
    optional: twin.optional ?? true,
    metadata: { type: deletedType },
    ...(twin.expected_version ? { expected_version: twin.expected_version } : {}),
    ...(twin.actual_version ? { actual_version: twin.actual_version } : {}),
  };
}

/** As programs on the node see it. */
export function withoutVersions({ expected_version: _, actual_version: __, ...twin }: Twin): Twin {
  return twin;
}

export type IdForm = "auto" | "name" | "namespaced";

/** Has the device come from a cloud that gives ids a namespace? Documents of its state differ. */
export function isNamespaced(id: string): boolean {
  return id.includes("/");
}

const segment = /^[^/+#\p{Cc}]{1,253}$/u;

/** Can this be the id of a device: one or two segments of a topic, as the form allows? */
export function isDeviceId(id: string, form: IdForm): boolean {
  const segments = id.split("/");
  const fits = form === "auto" ? segments.length <= 2 : segments.length === (form === "name" ? 1 : 2);
  return fits && segments.every((one) => segment.test(one));
}
