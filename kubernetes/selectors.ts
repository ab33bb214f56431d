import { ApiError } from "./api-error.ts";
import { own } from "./json.ts";
import type { KubeObject } from "./object.ts";
import type { ResourceName } from "./objects-api.ts";
import { groupResource } from "./resource-type.ts";

/** Label and field selectors. Pure. Source: Kubernetes labels.Parse and fields.ParseSelector. */

/** True for the objects that are meant. */
export type Selector = (object: KubeObject) => boolean;

interface Requirement {
  readonly key: string;
  readonly operator: "in" | "notin" | "exists" | "absent";
  readonly values: readonly string[];
}

const maxLength = 4_096;
const labelKey =
  /^([A-Za-z0-9]([-A-Za-z0-9.]{0,251}[A-Za-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Fields that may be selected by, beside name and namespace; by `groupResource`. */
const fieldsOf: Readonly<Record<string, readonly string[]>> = {
  pods: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
  ],
  secrets: ["type"],
  nodes: ["spec.unschedulable"],
  namespaces: ["status.phase"],
  events: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  "events.events.k8s.io": [
    "reason",
    "reportingController",
    "type",
    "regarding.kind",
    "regarding.name",
    "regarding.namespace",
    "regarding.uid",
  ],
  "replicasets.apps": ["status.replicas"],
  "certificatesigningrequests.certificates.k8s.io": ["spec.signerName"],
};

/** Throws `BadRequest` for a selector that is none. @param text As in a query; empty: everything. */
export function labelSelector(text: string): Selector {
  const requirements = splitTopLevel(checked(text)).map(requirementOf);
  return ({ metadata }) => {
    const labels = metadata.labels ?? {};
    return requirements.every((one) => fulfils(labels, one));
  };
}

/** Throws `BadRequest` for a selector that is none, or a field that objects of this kind are not selected by. */
export function fieldSelector(text: string, resource: Pick<ResourceName, "group" | "resource">): Selector {
  const type = groupResource(resource);
  const terms = checked(text)
    .split(",")
    .filter((term) => term.trim() !== "")
    .map((term) => fieldTerm(term.trim(), type));
  return (object) => terms.every((matches) => matches(object));
}

function checked(text: string): string {
  if (text.length <= maxLength) return text;
  throw new ApiError("BadRequest", `a selector has at most ${maxLength} characters`);
}

function fieldTerm(term: string, type: string): Selector {
  const [, field = "", operator = "", value = ""] = /^([^!=]+)(!=|==|=)(.*)$/.exec(term) ?? [];
  if (operator === "") throw new ApiError("BadRequest", `invalid field selector: ${shown(term)}`);
  const known =
    field === "metadata.name" || field === "metadata.namespace" || own(fieldsOf, type)?.includes(field);
  if (!known) throw new ApiError("BadRequest", `field label not supported: ${shown(field)}`);
  return (object) => (fieldOf(object, field) === value) !== (operator === "!=");
}

/** An absent field is the empty text; an absent flag is false. */
function fieldOf(object: KubeObject, path: string): string {
  let at: unknown = object;
  for (const key of path.split(".")) at = (at as Readonly<Record<string, unknown>> | undefined)?.[key];
  if (at === undefined || at === null)
    return path === "spec.unschedulable" || path === "spec.hostNetwork" ? "false" : "";
  return typeof at === "object" ? "" : String(at);
}

/** Splits at commas outside of parentheses. */
function splitTopLevel(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function requirementOf(text: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set) {
    const [, key = "", operator, values = ""] = set;
    const list = values.split(",").map((value) => value.trim());
    return requirement(text, key, operator as "in" | "notin", list);
  }
  const equality = /^([^\s!=]+)\s*(==|=|!=)\s*(\S*)$/.exec(text);
  if (equality) {
    const [, key = "", operator, value = ""] = equality;
    return requirement(text, key, operator === "!=" ? "notin" : "in", [value]);
  }
  return text.startsWith("!")
    ? requirement(text, text.slice(1).trim(), "absent", [])
    : requirement(text, text, "exists", []);
}

function requirement(
  text: string,
  key: string,
  operator: Requirement["operator"],
  values: readonly string[],
): Requirement {
  if (labelKey.test(key) && values.every((value) => labelValue.test(value))) return { key, operator, values };
  throw new ApiError("BadRequest", `unable to parse label selector: ${shown(text)}`);
}

function fulfils(labels: Readonly<Record<string, string>>, { key, operator, values }: Requirement): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "absent":
      return value === undefined;
    default:
      return operator satisfies never;
  }
}

/** A value in a message, cut when it is long. */
function shown(value: string): string {
  return JSON.stringify(value.length <= 200 ? value : `${value.slice(0, 200)}…`);
}
