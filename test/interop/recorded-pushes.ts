import type { KubeObject } from "../../kubernetes/index.ts";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import type { WireJson } from "./wire-json.ts";

/** Objects of which a recorded cloud told its edge. */

/** What a cloud pushed, in its order: whole objects, no answers. */
export function recordedPushes(capture: string): WireJson[] {
  return messagesOf(readCapture(capture), "cloud")
    .map(({ message }: RecordedMessage) => message)
    .filter(({ header, route }) => route.group === "resource" && header.parent_msg_id === undefined);
}

/** What a push says to an edge: without ids, times, versions, and who wrote which field. */
export function saidBy({ header, route, content }: WireJson): unknown {
  const { metadata, ...rest } = content as KubeObject;
  const {
    uid: _uid,
    resourceVersion: _version,
    creationTimestamp: _created,
    managedFields: _fields,
    generation: _generation,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    ...named
  } = metadata;
  // Kubernetes shortens the time of a pod to 0 before it removes it; an edge that is told to delete it reads the uid.
  const isOver = route.operation === "delete" || deletionTimestamp === undefined;
  const ends = isOver ? {} : { deletionTimestamp: "(a time)", deletionGracePeriodSeconds };
  return {
    ...route,
    isVersioned: header.resourceversion !== undefined,
    content: { ...rest, metadata: { ...named, ...ends } },
  };
}

/** An object as a person would write it: without what the API has filled in. */
export function asWritten(object: KubeObject): KubeObject {
  const { name, namespace = "default", labels } = object.metadata;
  const { status: _status, ...rest } = object;
  return { ...rest, metadata: { name: name ?? "", namespace, ...(labels ? { labels } : {}) } };
}

/** The object that was pushed under this resource, as it was written. */
export function recordedObject(capture: string, resource: string, nth = 0): KubeObject {
  const found = recordedPushes(capture).filter(({ route }) => route.resource === resource)[nth];
  if (found === undefined) throw new Error(`nothing about ${resource} was recorded`);
  return asWritten(found.content as KubeObject);
}
