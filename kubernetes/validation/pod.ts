import { duplicate, type FieldError, forbidden, invalid, required } from "../field-error.ts";
import { at, isObject, type JsonObject, sameJson, withFields } from "../json.ts";
import { checkContainer, objectsAt } from "./container.ts";
import { checkLabels } from "./metadata.ts";
import { checkName } from "./names.ts";

/** Rules for pods and the templates of pods. Source: core validation of Kubernetes. */

export function checkPodSpec(spec: unknown, path: string): FieldError[] {
  if (!isObject(spec)) return [];
  const volumes = objectsAt(spec, "volumes");
  const names = new Set(volumes.map(({ name }) => name));
  return [
    ...checkVolumes(volumes, `${path}.volumes`),
    ...checkContainers(spec, path, names),
    ...checkName("subdomain", spec.nodeName || undefined, `${path}.nodeName`),
    ...checkName("subdomain", spec.serviceAccountName || undefined, `${path}.serviceAccountName`),
    ...checkName("label", spec.hostname || undefined, `${path}.hostname`),
    ...checkLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...checkTolerations(objectsAt(spec, "tolerations"), `${path}.tolerations`),
    ...checkSeconds(spec, path),
  ];
}

function checkSeconds(spec: JsonObject, path: string): FieldError[] {
  const { activeDeadlineSeconds: deadline, terminationGracePeriodSeconds: grace } = spec;
  const errors: FieldError[] = [];
  if (typeof deadline === "number" && deadline < 1)
    errors.push(
      invalid(`${path}.activeDeadlineSeconds`, deadline, "must be between 1 and 2147483647, inclusive"),
    );
  if (typeof grace === "number" && grace < 0)
    errors.push(
      invalid(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than or equal to 0"),
    );
  return errors;
}

function checkVolumes(volumes: readonly JsonObject[], path: string): FieldError[] {
  const seen = new Set<unknown>();
  return volumes.flatMap((volume, index) => {
    const { name } = volume;
    const place = `${path}[${index}]`;
    const errors = checkName("label", name, `${place}.name`);
    if (seen.has(name)) errors.push(duplicate(`${place}.name`, name));
    seen.add(name);
    const sources = Object.keys(volume).filter((key) => key !== "name");
    if (sources.length === 0) errors.push(required(place, "must specify a volume type"));
    for (const source of sources.slice(1))
      errors.push(forbidden(`${place}.${source}`, "may not specify more than 1 volume type"));
    return errors;
  });
}

function checkContainers(spec: JsonObject, path: string, volumes: ReadonlySet<unknown>): FieldError[] {
  const seen = new Set<unknown>();
  return ["initContainers", "containers", "ephemeralContainers"].flatMap((list) =>
    objectsAt(spec, list).flatMap((container, index) => {
      const place = `${path}.${list}[${index}]`;
      const errors = checkContainer(container, { path: place, volumes });
      if (seen.has(container.name)) errors.push(duplicate(`${place}.name`, container.name));
      if (container.name !== undefined) seen.add(container.name);
      return errors;
    }),
  );
}

function checkTolerations(tolerations: readonly JsonObject[], path: string): FieldError[] {
  return tolerations.flatMap(({ key, operator, value, effect, tolerationSeconds }, index) => {
    const place = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (!key && operator !== "Exists")
      errors.push(
        invalid(
          `${place}.operator`,
          operator ?? "",
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      );
    if (operator === "Exists" && value)
      errors.push(
        invalid(
          `${place}.operator`,
          { key, operator, value },
          "value must be empty when `operator` is 'Exists'",
        ),
      );
    if (tolerationSeconds !== undefined && effect !== "NoExecute")
      errors.push(
        invalid(
          `${place}.effect`,
          effect ?? "",
          "effect must be 'NoExecute' when `tolerationSeconds` is set",
        ),
      );
    return errors;
  });
}

const mutableText =
  "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/** A pod's spec is fixed, but for a few fields; and a pod gets a node once. */
export function checkPodUpdate(pod: JsonObject, old: JsonObject): FieldError[] {
  const given = fixedSpec(pod);
  const before = fixedSpec(old);
  const isBinding = !at(old, "spec", "nodeName");
  const wanted =
    isBinding && isObject(before) ? withFields(before, { nodeName: at(given, "nodeName") }) : before;
  return sameJson(given, wanted) ? [] : [forbidden("spec", mutableText)];
}

function fixedSpec(pod: JsonObject): unknown {
  const { spec } = pod;
  if (!isObject(spec)) return spec;
  const withoutImage = (list: unknown): unknown =>
    Array.isArray(list)
      ? list.map((one) =>
          isObject(one) ? withFields(one, { image: undefined, imagePullPolicy: undefined }) : one,
        )
      : list;
  return withFields(spec, {
    containers: withoutImage(spec.containers),
    initContainers: withoutImage(spec.initContainers),
    ephemeralContainers: undefined,
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    terminationGracePeriodSeconds: undefined,
    schedulingGates: undefined,
  });
}
