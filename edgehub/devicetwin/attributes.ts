import type { Attribute, Attributes } from "./device.ts";

export interface AttributeOutcome {
  readonly attributes: Attributes;
  /** What has changed; null: it is gone. Empty: nothing. */
  readonly changed: ReadonlyMap<string, Attribute | null>;
}

/**
 * Applies what the cloud says of a device's attributes. Source: KubeEdge DeviceTwin.
 *
 * @param whole All attributes there are: those not among them go. Otherwise null deletes one, if it is optional.
 */
export function updateAttributes(
  attributes: Attributes,
  wanted: ReadonlyMap<string, Attribute | null>,
  whole: boolean,
): AttributeOutcome {
  const next = new Map(attributes);
  const changed = new Map<string, Attribute | null>();
  const gone = whole ? [...attributes.keys()].filter((name) => !wanted.get(name)) : [];
  for (const [name, attribute] of wanted) {
    const old = attributes.get(name);
    if (attribute === null) {
      if (!whole && old !== undefined && old.optional !== false) gone.push(name);
      continue;
    }
    const made = old === undefined ? added(attribute) : updated(old, attribute);
    if (made === undefined) continue;
    next.set(name, made.attribute);
    changed.set(name, made.shown);
  }
  for (const name of gone) {
    next.delete(name);
    changed.set(name, null);
  }
  return { attributes: next, changed };
}

/** An attribute, and what of it a document shows. */
interface Made {
  readonly attribute: Attribute;
  readonly shown: Attribute;
}

function added({ value, optional = true, metadata = { type: "string" } }: Attribute): Made {
  const attribute = { value, optional, metadata };
  return { attribute, shown: attribute };
}

/** What must not be deleted stays so. */
function updated(old: Attribute, { value, optional, metadata }: Attribute): Made | undefined {
  const parts = {
    ...(optional === false && old.optional !== false ? { optional: false } : {}),
    ...(metadata !== undefined && metadata.type !== old.metadata?.type ? { metadata } : {}),
  };
  if (value === old.value && Object.keys(parts).length === 0) return undefined;
  return { attribute: { ...old, value, ...parts }, shown: { value, ...parts } };
}
