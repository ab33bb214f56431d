/** A column of `kubectl get` as a CustomResourceDefinition gives it. Source: CustomResourceColumnDefinition. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "integer" | "number" | "string" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  /** 0: always shown; greater: with `-o wide`. */
  readonly priority?: number;
  /** `.spec.nodeName`. */
  readonly jsonPath: string;
}
