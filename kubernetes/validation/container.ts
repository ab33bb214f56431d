import { type FieldError, forbidden, invalid, notFoundValue, required } from "../field-error.ts";
import { at, isObject, type JsonObject } from "../json.ts";
import { quantityOf } from "../quantity.ts";
import { checkUnique } from "./metadata.ts";
import { checkName, checkQualifiedName } from "./names.ts";

/** Rules for the containers of a pod. Source: core validation of Kubernetes. */

export interface ContainerPlace {
  readonly path: string;
  /** Names of the pod's volumes. */
  readonly volumes: ReadonlySet<unknown>;
}

export function checkContainer(container: JsonObject, { path, volumes }: ContainerPlace): FieldError[] {
  const { name, image } = container;
  const errors: FieldError[] = [...checkName("label", name, `${path}.name`)];
  if (image === undefined || image === "") errors.push(required(`${path}.image`));
  else if (typeof image === "string" && image.trim() !== image)
    errors.push(invalid(`${path}.image`, image, "must not have leading or trailing whitespace"));
  return [
    ...errors,
    ...checkPorts(objectsAt(container, "ports"), `${path}.ports`),
    ...checkEnvironment(objectsAt(container, "env"), `${path}.env`),
    ...checkMounts(objectsAt(container, "volumeMounts"), `${path}.volumeMounts`, volumes),
    ...checkResources(container.resources, `${path}.resources`),
    ...["livenessProbe", "readinessProbe", "startupProbe"].flatMap((probe) =>
      checkProbe(container[probe], `${path}.${probe}`),
    ),
  ];
}

export function checkPort(value: unknown, field: string): FieldError[] {
  if (typeof value !== "number" || (value >= 1 && value <= 65_535)) return [];
  return [invalid(field, value, "must be between 1 and 65535, inclusive")];
}

/** A number, or the name of a port. */
export function checkPortOrName(value: unknown, field: string): FieldError[] {
  return typeof value === "string" ? checkName("portName", value, field) : checkPort(value, field);
}

function checkPorts(ports: readonly JsonObject[], path: string): FieldError[] {
  return [
    ...ports.flatMap((port, index) => [
      ...(port.name === "" ? [] : checkName("portName", port.name, `${path}[${index}].name`)),
      ...checkPort(port.containerPort, `${path}[${index}].containerPort`),
      ...(port.hostPort === 0 ? [] : checkPort(port.hostPort, `${path}[${index}].hostPort`)),
    ]),
    ...checkUnique(ports, "name", path),
  ];
}

function checkEnvironment(variables: readonly JsonObject[], path: string): FieldError[] {
  return variables.flatMap((variable, index) => {
    const { name, value, valueFrom } = variable;
    const place = `${path}[${index}]`;
    const errors = checkName("environment", name, `${place}.name`);
    if (!isObject(valueFrom)) return errors;
    if (value)
      errors.push(invalid(`${place}.valueFrom`, "", "may not be specified when `value` is not empty"));
    const sources = Object.keys(valueFrom);
    if (sources.length === 0)
      errors.push(
        invalid(
          `${place}.valueFrom`,
          "",
          "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        ),
      );
    if (sources.length > 1)
      errors.push(invalid(`${place}.valueFrom`, "", "may not have more than one field specified at a time"));
    return errors;
  });
}

function checkMounts(
  mounts: readonly JsonObject[],
  path: string,
  volumes: ReadonlySet<unknown>,
): FieldError[] {
  const unknown = mounts.flatMap(({ name }, index) =>
    name === undefined || volumes.has(name) ? [] : [notFoundValue(`${path}[${index}].name`, name)],
  );
  const twice = checkUnique(mounts, "mountPath", path).map(({ field, detail }) => {
    const value: unknown = JSON.parse(detail);
    return invalid(field, value, "must be unique");
  });
  return [...unknown, ...twice];
}

function checkResources(resources: unknown, path: string): FieldError[] {
  const limits = at(resources, "limits");
  const requests = at(resources, "requests");
  return [
    ...checkAmounts(limits, `${path}.limits`),
    ...checkAmounts(requests, `${path}.requests`),
    ...(isObject(requests) ? Object.entries(requests) : []).flatMap(([name, amount]) => {
      const [wanted, most] = [quantityOf(amount), quantityOf(at(limits, name))];
      if (wanted === undefined || most === undefined || wanted <= most) return [];
      const text = `must be less than or equal to ${name} limit of ${String(at(limits, name))}`;
      return [invalid(`${path}.requests`, amount, text)];
    }),
  ];
}

/** A map of quantities. */
function checkAmounts(amounts: unknown, path: string): FieldError[] {
  if (!isObject(amounts)) return [];
  return Object.entries(amounts).flatMap(([name, amount]) => {
    const field = `${path}[${name}]`;
    const quantity = quantityOf(amount);
    const errors = checkQualifiedName(name, field);
    return quantity !== undefined && quantity < 0
      ? [...errors, invalid(field, amount, "must be greater than or equal to 0")]
      : errors;
  });
}

const probeNumbers = [
  "initialDelaySeconds",
  "timeoutSeconds",
  "periodSeconds",
  "successThreshold",
  "failureThreshold",
];

function checkProbe(probe: unknown, path: string): FieldError[] {
  if (!isObject(probe)) return [];
  const handlers = ["exec", "grpc", "httpGet", "tcpSocket"].filter((name) => probe[name] !== undefined);
  const errors = probeNumbers
    .filter((name) => Number(probe[name] ?? 0) < 0)
    .map((name) => invalid(`${path}.${name}`, probe[name], "must be greater than or equal to 0"));
  if (handlers.length === 0) errors.push(required(path, "must specify a handler type"));
  for (const handler of handlers.slice(1))
    errors.push(forbidden(`${path}.${handler}`, "may not specify more than 1 handler type"));
  const isOnce = path.endsWith("livenessProbe") || path.endsWith("startupProbe");
  if (isOnce && Number(probe.successThreshold ?? 1) !== 1)
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold, "must be 1"));
  return [
    ...errors,
    ...["httpGet", "tcpSocket"].flatMap((handler) =>
      checkPortOrName(at(probe, handler, "port"), `${path}.${handler}.port`),
    ),
  ];
}

/** @returns What of a list are objects. */
export function objectsAt(value: unknown, ...path: readonly string[]): readonly JsonObject[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.filter(isObject) : [];
}
