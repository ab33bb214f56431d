import { duplicate, type FieldError, forbidden, invalid, required, tooLong } from "../field-error.ts";
import { isObject, type JsonObject, own, sameJson } from "../json.ts";
import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import { checkName, checkQualifiedName, type NameRule } from "./names.ts";

/** Rules for what every object has. Source: apimachinery ValidateObjectMeta. */

const maxAnnotationBytes = 256 * 1_024;
const immutable = ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"] as const;

export function checkMetadata(kind: Kind, object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const metadata = object.metadata as JsonObject;
  const { name, generateName, namespace, finalizers, ownerReferences } = object.metadata;
  const rule = nameRuleOf(kind);
  const errors: FieldError[] = [];
  if (name === undefined || name === "")
    errors.push(required("metadata.name", "name or generateName is required"));
  else errors.push(...checkName(rule, name, "metadata.name"));
  if (generateName) errors.push(...checkName(rule, `${generateName}x`, "metadata.generateName"));
  if (kind.type.namespaced) {
    if (!namespace) errors.push(required("metadata.namespace"));
    else errors.push(...checkName("label", namespace, "metadata.namespace"));
  } else if (namespace) errors.push(forbidden("metadata.namespace", "not allowed on this type"));
  return [
    ...errors,
    ...checkLabels(metadata.labels, "metadata.labels"),
    ...checkAnnotations(metadata.annotations, "metadata.annotations"),
    ...checkFinalizers(finalizers ?? []),
    ...checkOwners(ownerReferences ?? []),
    ...(old === undefined ? [] : checkUnchanged(metadata, old.metadata as JsonObject)),
  ];
}

export function checkLabels(labels: unknown, path: string): FieldError[] {
  if (!isObject(labels)) return [];
  return Object.entries(labels).flatMap(([key, value]) => [
    ...checkQualifiedName(key, path),
    ...checkName("labelValue", value, path),
  ]);
}

function checkAnnotations(annotations: unknown, path: string): FieldError[] {
  if (!isObject(annotations)) return [];
  const entries = Object.entries(annotations);
  const bytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(entry.join("")), 0);
  const errors = entries.flatMap(([key]) => checkQualifiedName(key.toLowerCase(), path));
  return bytes > maxAnnotationBytes ? [...errors, tooLong(path, maxAnnotationBytes)] : errors;
}

const standardFinalizers = [
  "kubernetes",
  "orphan",
  "foregroundDeletion",
  "customresourcecleanup.apiextensions.k8s.io",
];

function checkFinalizers(finalizers: readonly string[]): FieldError[] {
  return finalizers.flatMap((finalizer) => {
    const errors = checkQualifiedName(finalizer, "metadata.finalizers");
    if (errors.length > 0 || finalizer.includes("/") || standardFinalizers.includes(finalizer)) return errors;
    const text = "name is neither a standard finalizer name nor is it fully qualified";
    return [invalid("metadata.finalizers", finalizer, text)];
  });
}

function checkOwners(owners: NonNullable<KubeObject["metadata"]["ownerReferences"]>): FieldError[] {
  const path = "metadata.ownerReferences";
  const errors = owners.flatMap((owner, index) =>
    (["apiVersion", "kind", "name", "uid"] as const)
      .filter((field) => !owner[field])
      .map((field) =>
        invalid(`${path}[${index}].${field}`, owner[field] ?? "", `${field} must not be empty`),
      ),
  );
  const controllers = owners.filter(({ controller }) => controller === true);
  if (controllers.length <= 1) return errors;
  const text = "Only one reference can have Controller set to true";
  return [...errors, invalid(path, controllers.map(({ name }) => name).slice(0, 2), text)];
}

function checkUnchanged(metadata: JsonObject, old: JsonObject): FieldError[] {
  return immutable
    .filter((field) => old[field] !== undefined && !sameJson(metadata[field], old[field]))
    .map((field) => invalid(`metadata.${field}`, metadata[field], "field is immutable"));
}

function nameRuleOf({ type, form }: Kind): NameRule {
  if (form === "structural") return "subdomain";
  if (type.group === "rbac.authorization.k8s.io") return "segment";
  if (type.group !== "") return "subdomain";
  if (type.kind === "Namespace") return "label";
  return type.kind === "Service" ? "serviceName" : "subdomain";
}

/** Errors for values that occur twice in a list of objects. */
export function checkUnique(list: readonly JsonObject[], key: string, path: string): FieldError[] {
  const seen = new Set<unknown>();
  return list.flatMap((entry, index) => {
    const value = own(entry, key);
    if (value === undefined || value === "" || !seen.has(value)) {
      seen.add(value);
      return [];
    }
    return [duplicate(`${path}[${index}].${key}`, value)];
  });
}
