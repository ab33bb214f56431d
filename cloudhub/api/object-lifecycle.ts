import { isDeepStrictEqual } from "node:util";
import type { Kind, KubeObject, ObjectMeta } from "../../kubernetes/index.ts";

/** What an object is when it is made and when it is changed: the fields that clients do not decide. Pure. */

/** Of a new object. */
export interface Birth {
  readonly uid: string;
  /** Wall clock, ms since 1970. */
  readonly now: number;
  readonly name: string;
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
export function timestamp(wallTime: number): string {
  return new Date(wallTime).toISOString().replace(/\.\d+Z$/, "Z");
}

/** The object as it is stored for the first time. What the server decides is decided here, whatever was sent. */
export function newObject(kind: Kind, sent: KubeObject, birth: Birth): KubeObject {
  const { resourceVersion: _, generation: __, ...others } = sent.metadata;
  const { deletionTimestamp: ___, deletionGracePeriodSeconds: ____, ...kept } = others;
  const metadata: ObjectMeta = {
    ...kept,
    name: birth.name,
    uid: birth.uid,
    creationTimestamp: timestamp(birth.now),
    ...(hasGeneration(kind) ? { generation: 1 } : {}),
  };
  const object: KubeObject = { ...sent, metadata };
  if (!kind.type.hasStatus || statusOfCreator.has(kind.type.kind)) return object;
  const { status: _status, ...rest } = object;
  return rest;
}

/** Kinds whose creator says how they are: a node registers itself with its status. */
const statusOfCreator: ReadonlySet<string> = new Set(["Node", "CustomResourceDefinition"]);

/** What Kubernetes numbers the changes of. */
function hasGeneration({ type, form }: Kind): boolean {
  return form === "structural" || generationKinds.has(type.kind);
}

const generationKinds: ReadonlySet<string> = new Set([
  "Deployment",
  "ReplicaSet",
  "CustomResourceDefinition",
  "EndpointSlice",
]);

/** The object as an update leaves it: identity and, for kinds with a status of its own, the status are not touched. */
export function changedObject(kind: Kind, old: KubeObject, sent: KubeObject): KubeObject {
  const metadata = { ...withoutIdentity(sent.metadata), ...identityOf(old.metadata) };
  const object: KubeObject = withStatus(kind, { ...sent, metadata }, old);
  if (!hasGeneration(kind) || !isWantedChanged(kind, old, object)) return object;
  const generation = (old.metadata.generation ?? 0) + 1;
  return { ...object, metadata: { ...metadata, generation } };
}

/** The object as an update of its status leaves it. Kubernetes' own kinds take labels and annotations along. */
export function changedStatus(kind: Kind, old: KubeObject, sent: KubeObject): KubeObject {
  const { managedFields } = sent.metadata;
  const { labels, annotations } = kind.form === "native" ? sent.metadata : old.metadata;
  const metadata = withoutUndefined({ ...old.metadata, labels, annotations, managedFields });
  return withoutUndefined({ ...old, metadata, status: sent.status });
}

/** True if nothing but bookkeeping differs: then nothing is written. */
export function isSame(old: KubeObject, next: KubeObject): boolean {
  return isDeepStrictEqual(comparable(old), comparable(next));
}

function comparable(object: KubeObject): object {
  const { resourceVersion: _, managedFields, ...metadata } = object.metadata;
  const fields = managedFields?.map((entry) => ({ ...(entry as object), time: undefined }));
  return withoutUndefined({ ...object, metadata: withoutUndefined({ ...metadata, managedFields: fields }) });
}

/** The fields of metadata that no client changes. */
function identityOf(old: ObjectMeta): Partial<ObjectMeta> {
  const { uid, name, namespace, generateName, creationTimestamp, generation } = old;
  const { deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } = old;
  return withoutUndefined({
    uid,
    name,
    namespace,
    generateName,
    creationTimestamp,
    generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    resourceVersion,
  });
}

function withoutIdentity(sent: ObjectMeta): ObjectMeta {
  const { generation: _, deletionTimestamp: __, deletionGracePeriodSeconds: ___, ...rest } = sent;
  const { uid: ____, creationTimestamp: _____, generateName: ______, ...kept } = rest;
  return kept;
}

function withStatus(kind: Kind, object: KubeObject, old: KubeObject): KubeObject {
  if (!kind.type.hasStatus) return object;
  const { status: _, ...rest } = object;
  return old.status === undefined ? rest : { ...rest, status: old.status };
}

function isWantedChanged(kind: Kind, old: KubeObject, next: KubeObject): boolean {
  return !isDeepStrictEqual(wanted(kind, old), wanted(kind, next));
}

function wanted(kind: Kind, object: KubeObject): object {
  const { metadata: _, apiVersion: __, ...rest } = object;
  return kind.type.hasStatus ? withoutUndefined({ ...rest, status: undefined }) : rest;
}

/** The object without one of its finalizers. */
export function withoutFinalizer(object: KubeObject, finalizer: string): KubeObject {
  const { finalizers = [], ...metadata } = object.metadata;
  const left = finalizers.filter((one) => one !== finalizer);
  return { ...object, metadata: left.length === 0 ? metadata : { ...metadata, finalizers: left } };
}

/** Without the fields that are `undefined`: JSON has none. */
export function withoutUndefined<T extends object>(object: T): Defined<T> {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}

/** Fields that may be `undefined` may be absent instead. */
type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};
