/** How a client wants its answer. Pure. Source: Kubernetes API concepts, alternate representations. */

export type Form =
  | { readonly as: "object" }
  | { readonly as: "metadata" }
  | { readonly as: "table" }
  /** Discovery of all groups in one document. */
  | { readonly as: "discovery"; readonly version: "v2" | "v2beta1" };

/** @param accept The header. @returns The first form that can be given; `undefined`: it takes no JSON. */
export function formOf(accept: string | undefined): Form | undefined {
  if (accept === undefined || accept.trim() === "") return { as: "object" };
  for (const range of accept.split(",")) {
    const form = formIn(range);
    if (form !== undefined) return form;
  }
  return undefined;
}

function formIn(range: string): Form | undefined {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
  if (!["application/json", "application/*", "*/*"].includes(type)) return undefined;
  const words = new Map(parameters.map((one) => one.split("=") as [string, string]));
  const as = words.get("as");
  const group = words.get("g");
  const version = words.get("v");
  if (as === undefined) return { as: "object" };
  if (group === "apidiscovery.k8s.io" && as === "APIGroupDiscoveryList")
    return version === "v2" || version === "v2beta1" ? { as: "discovery", version } : undefined;
  if (group !== "meta.k8s.io" || (version !== "v1" && version !== "v1beta1")) return undefined;
  if (as === "Table") return { as: "table" };
  return as === "PartialObjectMetadata" || as === "PartialObjectMetadataList"
    ? { as: "metadata" }
    : undefined;
}
