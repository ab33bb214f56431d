import type { ResourceType } from "./resource-type.ts";
import type { Schema } from "./schema/schema.ts";
import type { PrinterColumn } from "./table/printer-column.ts";

/** All that is known of a kind: where it is served, what its objects look like, what `kubectl get` shows. */
export interface Kind {
  readonly type: ResourceType;
  readonly schema: Schema;
  /**
   * `native`: wrong types are refused while reading (400), values are checked by rules in code, strategic merge patches
   * are taken. `structural`: everything is checked against the schema (422), strategic merge is refused (415).
   */
  readonly form: "native" | "structural";
  /** Those of a CustomResourceDefinition; absent: the columns that are known for this kind. */
  readonly columns?: readonly PrinterColumn[] | undefined;
}
