import { createHash } from "node:crypto";
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
  /** The same for the same objects, whichever application asks for them: see {@link idOf}. */
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

export function recordOf({ sent, target, option }: Application): WatchRecord {
  const { labelSelector = "", fieldSelector = "" } = listQuery(target, option);
  const what = { key: textOf(sent.Key), labelSelector, fieldSelector };
  return { id: idOf(what), ...what };
}

/**
 * Applications have ids of their own, but a stock edgecore hashes into them what is of one request alone, as the version it
 * goes on from: a program that begins again, after a restart of its node too, has another id for the same watch.
 */
function idOf({ key, labelSelector, fieldSelector }: Omit<WatchRecord, "id">): string {
  return createHash("sha256")
    .update(JSON.stringify([key, labelSelector, fieldSelector]))
    .digest("hex");
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

function readRecord({ closedAt, ...given }: Json): WatchRecord[] {
  const what = {
    key: textOf(given.key),
    labelSelector: textOf(given.labelSelector),
    fieldSelector: textOf(given.fieldSelector),
  };
  const record = { id: idOf(what), ...what, ...(typeof closedAt === "number" ? { closedAt } : {}) };
  try {
    watchOf(record);
  } catch {
    return [];
  }
  return [record];
}

/** The one object that a selector leaves, as roles name it. */
function nameIn(fields: string): string {
  const term = fields.split(",").find((one) => /^metadata\.name==?[^=]+$/.test(one));
  return term === undefined ? "" : term.slice(term.lastIndexOf("=") + 1);
}
