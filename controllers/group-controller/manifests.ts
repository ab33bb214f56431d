import { createHash } from "node:crypto";
import type { KubeObject, ResourceName } from "../../kubernetes/index.ts";
import { type Json, objectOf, objectsOf, specOf, textOf } from "../runtime/fields.ts";
import { groupLabel } from "./group-members.ts";
import { overridden } from "./overriders.ts";

/** What an EdgeApplication is to consist of. Pure. Source: KubeEdge's EdgeApplication. */

export const appliedAnnotation = "apps.kubeedge.io/last-applied-template";
const topologyAnnotation = "apps.kubeedge.io/service-topology";

/** A kind that manifests may be of. */
export interface KnownKind extends ResourceName {
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Names one object of an application, as its status and its annotation do. */
export interface Identifier {
  readonly ordinal: number;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface WantedObject {
  readonly identifier: Identifier;
  readonly object: KubeObject;
}

export interface Expansion {
  readonly objects: readonly WantedObject[];
  /** What is wrong, for people. */
  readonly faults: readonly string[];
}

interface Target {
  readonly suffix: string;
  readonly overriders: Json;
  /** The pod's spec, for this target alone. */
  place(pod: Json): Json;
}

const maxManifests = 1_000;
const dnsName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** @param kindOf `undefined`: there is no such kind. */
export function expand(
  application: KubeObject,
  kindOf: (apiVersion: string, kind: string) => KnownKind | undefined,
): Expansion {
  const faults: string[] = [];
  const objects = new Map<string, WantedObject>();
  const targets = targetsOf(application, faults);
  const manifests = objectsOf(objectOf(specOf(application).workloadTemplate).manifests);
  if (manifests.length > maxManifests) faults.push(`only the first ${maxManifests} manifests are applied`);
  for (const [ordinal, manifest] of manifests.slice(0, maxManifests).entries()) {
    const kind = kindOf(textOf(manifest.apiVersion), textOf(manifest.kind));
    const fault = manifestFault(application, manifest, kind);
    if (kind === undefined || fault !== undefined) {
      faults.push(`manifests[${ordinal}]: ${fault}`);
      continue;
    }
    for (const object of copiesOf(manifest, kind, targets, faults)) {
      const wanted = ownedBy(application, object, { ...kind, ordinal });
      const { resource, group, name } = wanted.identifier;
      const key = `${resource}.${group} ${name}`;
      if (!dnsName.test(name))
        faults.push(`manifests[${ordinal}]: ${name.slice(0, 300)} is no name of an object`);
      else if (objects.has(key)) faults.push(`manifests[${ordinal}]: ${kind.kind} ${name} is there already`);
      else objects.set(key, wanted);
    }
  }
  return { objects: [...objects.values()], faults };
}

function manifestFault(
  application: KubeObject,
  manifest: Json,
  kind: KnownKind | undefined,
): string | undefined {
  const { name, namespace } = objectOf(manifest.metadata);
  if (kind === undefined)
    return `there is no kind ${JSON.stringify(manifest.kind)} of ${JSON.stringify(manifest.apiVersion)}`;
  if (!kind.namespaced) return `${kind.kind} has no namespace, and cannot belong to an application`;
  if (textOf(name) === "") return "it has no name";
  const own = application.metadata.namespace;
  const isElsewhere = namespace !== undefined && namespace !== "" && namespace !== own;
  return isElsewhere
    ? `it is in namespace ${JSON.stringify(namespace)}, the application in ${own}`
    : undefined;
}

/** A Deployment once for each target, everything else once. */
function copiesOf(manifest: Json, kind: KnownKind, targets: readonly Target[], faults: string[]): Json[] {
  if (kind.group === "" && kind.kind === "Service") {
    const metadata = objectOf(manifest.metadata);
    const annotations = { ...objectOf(metadata.annotations), [topologyAnnotation]: "range-nodegroup" };
    return [{ ...manifest, metadata: { ...metadata, annotations } }];
  }
  if (kind.group !== "apps" || kind.kind !== "Deployment") return [manifest];
  return targets.map(({ suffix, overriders, place }) => {
    const metadata = objectOf(manifest.metadata);
    const name = `${textOf(metadata.name)}-${suffix}`;
    const changed = overridden(objectOf(manifest.spec), overriders);
    faults.push(...changed.faults.map((fault) => `${suffix}: ${fault}`));
    const template = objectOf(changed.spec.template);
    const spec = { ...changed.spec, template: { ...template, spec: place(objectOf(template.spec)) } };
    return { ...manifest, metadata: { ...metadata, name }, spec };
  });
}

function targetsOf(application: KubeObject, faults: string[]): Target[] {
  const scope = objectOf(specOf(application).workloadScope);
  const targets = new Map<string, Target>();
  const add = (target: Target): void => {
    if (targets.has(target.suffix)) faults.push(`the target ${target.suffix} is there twice`);
    else targets.set(target.suffix, target);
  };
  for (const { name, overriders } of objectsOf(scope.targetNodeGroups)) {
    const group = textOf(name);
    add({
      suffix: group,
      overriders: objectOf(overriders),
      place: (pod) => ({ ...pod, nodeSelector: { ...objectOf(pod.nodeSelector), [groupLabel]: group } }),
    });
  }
  for (const { labelSelector, overriders } of objectsOf(scope.targetNodeLabels)) {
    const { matchLabels, matchExpressions } = objectOf(labelSelector);
    const expressions = objectsOf(matchExpressions);
    const text = JSON.stringify([Object.entries(objectOf(matchLabels)).sort(), expressions]);
    add({
      suffix: createHash("sha256").update(text).digest("hex").slice(0, 10),
      overriders: objectOf(overriders),
      place: (pod) => ({
        ...pod,
        nodeSelector: { ...objectOf(pod.nodeSelector), ...objectOf(matchLabels) },
        ...(expressions.length === 0
          ? {}
          : { affinity: withExpressions(objectOf(pod.affinity), expressions) }),
      }),
    });
  }
  return [...targets.values()];
}

/** Each way of fitting a node that the pod allows must fit the target too. */
function withExpressions(affinity: Json, expressions: readonly Json[]): Json {
  const nodeAffinity = objectOf(affinity.nodeAffinity);
  const field = "requiredDuringSchedulingIgnoredDuringExecution";
  const terms = objectsOf(objectOf(nodeAffinity[field]).nodeSelectorTerms);
  const nodeSelectorTerms = (terms.length === 0 ? [{} as Json] : terms).map((term) => ({
    ...term,
    matchExpressions: [...objectsOf(term.matchExpressions), ...expressions],
  }));
  return { ...affinity, nodeAffinity: { ...nodeAffinity, [field]: { nodeSelectorTerms } } };
}

function ownedBy(
  { apiVersion, kind: ownerKind, metadata: owner }: KubeObject,
  manifest: Json,
  { ordinal, group, version, resource, kind }: KnownKind & { ordinal: number },
): WantedObject {
  // Of the rest of the metadata, manifests that were read from an API have what is not theirs to say.
  const { name: own, labels, annotations, finalizers } = objectOf(manifest.metadata);
  const metadata = withoutUndefined({ name: own, namespace: owner.namespace, labels, finalizers });
  const { name = "", namespace = "", uid = "" } = owner;
  const reference = { apiVersion, kind: ownerKind, name, uid, controller: true, blockOwnerDeletion: true };
  const { status: _, ...rest } = manifest;
  const given = objectOf(annotations) as Record<string, string>;
  const template: Json = { ...rest, metadata: withoutUndefined({ ...metadata, annotations }) };
  const object: KubeObject = {
    ...rest,
    apiVersion: textOf(manifest.apiVersion),
    kind,
    metadata: {
      ...metadata,
      ownerReferences: [reference],
      annotations: { ...given, [appliedAnnotation]: JSON.stringify(template) },
    },
  };
  return { identifier: { ordinal, group, version, resource, kind, namespace, name: textOf(own) }, object };
}

function withoutUndefined(object: Json): Json {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

export function resourceOf({ group, version, resource }: Identifier): ResourceName {
  return { group, version, resource };
}
