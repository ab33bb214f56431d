import type { Kind } from "./kind.ts";
import { builtInTypes } from "./kinds.ts";

/** Made anew with each call, in some milliseconds: keep it. */
export function builtInKinds(): readonly Kind[] {
  return builtInTypes.map((type) => ({ type, schema: { preserveUnknown: true }, form: "native" }));
}
