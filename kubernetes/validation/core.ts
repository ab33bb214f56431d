import { type FieldError, forbidden, invalid, required, tooLong } from "../field-error.ts";
import { at, isObject, type JsonObject, sameJson } from "../json.ts";
import { checkPort, checkPortOrName, objectsAt } from "./container.ts";
import { checkLabels, checkUnique } from "./metadata.ts";
import { checkName, checkQualifiedName } from "./names.ts";

/** Rules for configuration, services, nodes and rights. Source: core and rbac validation of Kubernetes. */

const maxDataBytes = 1_024 * 1_024;

export function checkConfigMap(map: JsonObject, old: JsonObject | undefined): FieldError[] {
  const data = Object.entries(isObject(map.data) ? map.data : {});
  const binary = Object.entries(isObject(map.binaryData) ? map.binaryData : {});
  const errors = [...data, ...binary].flatMap(([key]) => checkName("configKey", key, `data[${key}]`));
  for (const [key] of binary)
    if (data.some(([one]) => one === key))
      errors.push(invalid(`data[${key}]`, key, "duplicate of key present in binaryData"));
  return [
    ...errors,
    ...checkSize([...data, ...binary], ""),
    ...checkImmutable(map, old, ["data", "binaryData"]),
  ];
}

const requiredData: Readonly<Record<string, readonly string[]>> = {
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
};

export function checkSecret(secret: JsonObject, old: JsonObject | undefined): FieldError[] {
  const data = isObject(secret.data) ? secret.data : {};
  const errors = Object.keys(data).flatMap((key) => checkName("configKey", key, `data[${key}]`));
  for (const key of requiredData[String(secret.type)] ?? [])
    if (!Object.hasOwn(data, key)) errors.push(required(`data[${key}]`));
  if (old !== undefined && secret.type !== old.type)
    errors.push(invalid("type", secret.type, "field is immutable"));
  return [...errors, ...checkSize(Object.entries(data), "data"), ...checkImmutable(secret, old, ["data"])];
}

function checkSize(entries: readonly (readonly [string, unknown])[], path: string): FieldError[] {
  const bytes = entries.reduce((sum, [, value]) => sum + Buffer.byteLength(String(value)), 0);
  return bytes > maxDataBytes ? [tooLong(path, maxDataBytes)] : [];
}

function checkImmutable(
  object: JsonObject,
  old: JsonObject | undefined,
  fields: readonly string[],
): FieldError[] {
  if (old?.immutable !== true) return [];
  const text = "field is immutable when `immutable` is set";
  const changed = fields.filter((field) => !sameJson(object[field] ?? {}, old[field] ?? {}));
  return [...(object.immutable === true ? [] : ["immutable"]), ...changed].map((field) =>
    forbidden(field, text),
  );
}

export function checkService(service: JsonObject, old: JsonObject | undefined): FieldError[] {
  const { spec } = service;
  if (!isObject(spec)) return [];
  const ports = objectsAt(spec, "ports");
  const isHeadless = spec.clusterIP === "None";
  const errors: FieldError[] = [];
  if (ports.length === 0 && !isHeadless && spec.type !== "ExternalName") errors.push(required("spec.ports"));
  if (spec.type === "ExternalName" && !spec.externalName) errors.push(required("spec.externalName"));
  const address = at(old, "spec", "clusterIP");
  if (address && spec.clusterIP !== address && spec.type !== "ExternalName")
    errors.push(invalid("spec.clusterIP", spec.clusterIP, "field is immutable"));
  return [...errors, ...checkServicePorts(ports), ...checkLabels(spec.selector, "spec.selector")];
}

function checkServicePorts(ports: readonly JsonObject[]): FieldError[] {
  return [
    ...ports.flatMap((port, index) => {
      const path = `spec.ports[${index}]`;
      const errors = [
        ...checkPort(port.port, `${path}.port`),
        ...checkPortOrName(port.targetPort, `${path}.targetPort`),
        ...checkName("label", port.name || undefined, `${path}.name`),
      ];
      return ports.length > 1 && !port.name ? [...errors, required(`${path}.name`)] : errors;
    }),
    ...checkUnique(ports, "name", "spec.ports"),
  ];
}

export function checkNode(node: JsonObject): FieldError[] {
  return objectsAt(node, "spec", "taints").flatMap(({ key, value }, index) => [
    ...(typeof key === "string" ? checkQualifiedName(key, `spec.taints[${index}].key`) : []),
    ...checkName("labelValue", value, `spec.taints[${index}].value`),
  ]);
}

export function checkRole(role: JsonObject): FieldError[] {
  return objectsAt(role, "rules").flatMap((rule, index) => {
    const path = `rules[${index}]`;
    const isPath = listLength(rule.nonResourceURLs) > 0;
    const errors: FieldError[] = [];
    if (isPath && role.kind === "Role")
      errors.push(
        invalid(
          `${path}.nonResourceURLs`,
          rule.nonResourceURLs,
          "namespaced rules cannot apply to non-resource URLs",
        ),
      );
    if (!isPath && listLength(rule.apiGroups) === 0)
      errors.push(required(`${path}.apiGroups`, "resource rules must supply at least one api group"));
    if (!isPath && listLength(rule.resources) === 0)
      errors.push(required(`${path}.resources`, "resource rules must supply at least one resource"));
    return errors;
  });
}

export function checkBinding(binding: JsonObject, old: JsonObject | undefined): FieldError[] {
  const { roleRef } = binding;
  const kinds = binding.kind === "RoleBinding" ? ["Role", "ClusterRole"] : ["ClusterRole"];
  const errors: FieldError[] = [];
  if (isObject(roleRef) && !kinds.includes(String(roleRef.kind)))
    errors.push(invalid("roleRef.kind", roleRef.kind, `supported values: ${kinds.join(", ")}`));
  if (old !== undefined && !sameJson(roleRef, old.roleRef))
    errors.push(invalid("roleRef", roleRef, "cannot change roleRef"));
  const nameless = objectsAt(binding, "subjects").flatMap(({ kind, namespace }, index) =>
    kind === "ServiceAccount" && !namespace ? [required(`subjects[${index}].namespace`)] : [],
  );
  return [...errors, ...nameless];
}

function listLength(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}
