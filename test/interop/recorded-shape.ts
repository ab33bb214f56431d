/** Compares what our agent says with what the recorded edge said: everything but the values of the moment. */

/** A difference that is none for a cloud. Each says why. */
interface Allowed {
  /** Kinds of messages, `insert node`. */
  readonly of: RegExp;
  readonly at: RegExp;
  /** `value`: only what stands there may differ; `presence`: it may be there or not. */
  readonly in: "value" | "presence";
}

export const allowedDifferences: readonly Allowed[] = [
  // Go's decoder and the API server take objects with their kind as those without; KubeEdge's Go types leave it out.
  { of: /^(insert|update) (node|lease)$/, at: /^(kind|apiVersion)$/, in: "presence" },
  // Asks the cloud's controller to attach volumes: Edged has none that are attached.
  { of: /^insert node$/, at: /^metadata\.annotations\./, in: "presence" },
  // The recorded edgecore had not measured its disk, nor listed its images, when it registered itself.
  { of: /^insert node$/, at: /^status\.(capacity|allocatable)\.ephemeral-storage$/, in: "presence" },
  { of: /^insert node$/, at: /^status\.images$/, in: "presence" },
  // The machine and the program.
  { of: /^insert node$/, at: /^status\.nodeInfo\./, in: "value" },
  { of: /^insert node$/, at: /^status\.daemonEndpoints\./, in: "value" },
  { of: /^insert node$/, at: /^status\.addresses\.Hostname\.address$/, in: "value" },
  // The process runtime says that nothing is isolated.
  { of: /^insert node$/, at: /^status\.conditions\.Ready\.message$/, in: "value" },
  // What the API server added to the lease of that cluster goes back to it as it came.
  { of: /^update lease$/, at: /^metadata\.managedFields\./, in: "presence" },
  // Whichever it is.
  { of: /^get detail$/, at: /^timestamp$/, in: "value" },
  // Names what a node with the process runtime has instead of pulled images.
  { of: /^status of a pod$/, at: /^containerStatuses\.[^.]+\.imageID$/, in: "value" },
];

/** Path → value of everything in a document, items of lists under their names. Values of the moment are blurred. */
export function shapeOf(kind: string, document: unknown): Record<string, unknown> {
  const shape: Record<string, unknown> = {};
  collect(shape, "", document);
  for (const { of, at, in: where } of allowedDifferences) {
    if (!of.test(kind)) continue;
    for (const path of Object.keys(shape).filter((one) => at.test(one)))
      if (where === "presence") delete shape[path];
      else shape[path] = "(any)";
  }
  return shape;
}

function collect(shape: Record<string, unknown>, path: string, value: unknown): void {
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    for (const [key, part] of Object.entries(value)) {
      const name = Array.isArray(value) ? nameOf(part, key) : key;
      collect(shape, path === "" ? name : `${path}.${name}`, part);
    }
  } else shape[path] = blurred(value);
}

function nameOf(item: unknown, index: string): string {
  const { type, name } = (item ?? {}) as { type?: string; name?: string };
  return type ?? name ?? index;
}

const blurs: readonly [RegExp, string][] = [
  [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, "(time)"],
  [/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, "(time in µs)"],
  [/^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/, "(uuid)"],
  [/^\d+(Ki|m)?$/, "(quantity)"],
  [/^\d+\.\d+\.\d+\.\d+$/, "(address)"],
  [/^[a-z]+:\/\/[-\w./]+$/, "(container)"],
];

function blurred(value: unknown): unknown {
  if (typeof value !== "string") return value;
  return blurs.find(([form]) => form.test(value))?.[1] ?? value;
}
