import {
  ApiError,
  fieldSelector,
  groupResource,
  type KubeObject,
  labelSelector,
} from "../../kubernetes/index.ts";
import { type Json, objectOf, textOf } from "../runtime/fields.ts";
import { type Application, readKey, type Target } from "./application.ts";
import { listQuery } from "./execute.ts";

/** What programs of a node watch, as the node has asked for it. Pure. */

/** As it is kept over restarts. */
export interface WatchRecord {
  readonly id: string;
  /** `/core/v1/configmaps/default/null`. */
  readonly key: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  /** Wall clock, ms since 1970, of when the node has said that nobody watches any more. */
  readonly closedAt?: number;
}

export interface Watch {
  readonly record: WatchRecord;
  readonly target: Target;
  /** Its kind, among all that are watched: `/v1/configmaps`. */
  readonly kindKey: string;
  matches(object: KubeObject): boolean;
}

const maxRecord = 16_384;

export function recordOf({ id, sent, target, option }: Application): WatchRecord {
  const { labelSelector: labels = "", fieldSelector: fields = "" } = listQuery(target, option);
  return { id, key: textOf(sent.Key), labelSelector: labels, fieldSelector: fields };
}

/** Throws `BadRequest` for selectors that are none. */
export function watchOf(record: WatchRecord): Watch {
  const { key, labelSelector: labels, fieldSelector: fields } = record;
  if (key.length + labels.length + fields.length > maxRecord)
    throw new ApiError("BadRequest", `a watch has at most ${maxRecord} characters`);
  const target = { ...readKey(key), subresource: "", name: nameIn(fields) };
  const byLabels = labelSelector(labels);
  const byFields = fieldSelector(fields, target);
  const { namespace } = target;
  return {
    record,
    target,
    kindKey: `${groupResource(target)}/${target.version}`,
    matches: (object) =>
      (namespace === undefined || object.metadata.namespace === namespace) &&
      byLabels(object) &&
      byFields(object),
  };
}

/** Watches that were kept; what is no watch is left out. */
export function readRecords(text: string): WatchRecord[] {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    return [];
  }
  return (Array.isArray(values) ? values : []).map(objectOf).flatMap(readRecord);
}

function readRecord({
  id,
  key,
  labelSelector: labels,
  fieldSelector: fields,
  closedAt,
}: Json): WatchRecord[] {
  const record = {
    id: textOf(id),
    key: textOf(key),
    labelSelector: textOf(labels),
    fieldSelector: textOf(fields),
    ...(typeof closedAt === "number" ? { closedAt } : {}),
  };
  try {
    watchOf(record);
  } catch {
    return [];
  }
  return record.id === "" ? [] : [record];
}

/** The one object that a selector leaves, as roles name it. */
function nameIn(fields: string): string {
  const term = fields.split(",").find((one) => /^metadata\.name==?[^=]+$/.test(one));
  return term === undefined ? "" : term.slice(term.lastIndexOf("=") + 1);
}
