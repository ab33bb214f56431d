import { ApiError, type ResourceName } from "../../kubernetes/index.ts";
import { type Json, objectOf, textOf } from "../runtime/fields.ts";

/**
 * Requests to the Kubernetes API that nodes send on behalf of their programs, and the answers. Pure. Source: KubeEdge's
 * MetaServer applications.
 */

export const verbs = ["get", "list", "watch", "create", "update", "updatestatus", "patch", "delete"] as const;

export type ApplicationVerb = (typeof verbs)[number];

/** What an application is about: objects of a kind, one of them, or a part of one. */
export interface Target extends ResourceName {
  /** `undefined`: all namespaces, or none. */
  readonly namespace: string | undefined;
  /** Empty: all of them, or one that is new. */
  readonly name: string;
  /** Empty: the object itself. */
  readonly subresource: string;
}

export interface Application {
  readonly id: string;
  readonly verb: ApplicationVerb;
  readonly target: Target;
  /** Options of the verb. */
  readonly option: Json;
  /** `undefined`: none was sent. */
  readonly body: unknown;
  /** As it came: answers repeat it. */
  readonly sent: Json;
}

const maxKey = 1_024;
/** Options of a patch carry the patch. */
const maxOption = 4 << 20;
const word = /^[^/\p{Cc}]{1,253}$/u;

/** Throws `BadRequest` for what is no application, `Forbidden` for one in another node's name. */
export function readApplication(content: unknown, node: string): Application {
  const sent = objectOf(content);
  const { ID, Key, Verb, Nodename, Option, ReqBody, Subresource } = sent;
  const verb = verbs.find((one) => one === Verb);
  if (verb === undefined) throw bad("its verb is not known");
  if (textOf(Nodename) !== node)
    throw new ApiError("Forbidden", `node ${node} cannot ask for ${shown(Nodename)}`);
  const option = objectOf(documentIn(Option, "Option"));
  const target = { ...readKey(textOf(Key)), subresource: partOf(textOf(Subresource), option) };
  const id = textOf(ID);
  if (id === "" || id.length > 128) throw bad("its ID must have 1 to 128 characters");
  return { id, verb, target, option, body: documentIn(ReqBody, "ReqBody"), sent };
}

/** Patches name the part in their options too. Throws `BadRequest` if these are two. */
function partOf(subresource: string, { Subresources }: Json): string {
  if (!Array.isArray(Subresources) || Subresources.length === 0) return subresource;
  const part = Subresources.map((one) => textOf(one)).join("/");
  if (subresource === "" || part === subresource) return part;
  throw bad(`it names two parts, ${shown(subresource)} and ${shown(part)}`);
}

/** Reads `/<group or core>/<version>/<plural>/<namespace or null>/<name or null>`. */
export function readKey(key: string): Omit<Target, "subresource"> {
  const [empty, group = "", version = "", resource = "", namespace = "", name = "", ...rest] = key.split("/");
  const words = [group, version, resource, namespace, name];
  if (key.length > maxKey || empty !== "" || rest.length > 0 || !words.every((one) => word.test(one)))
    throw bad(`its Key must be /<group>/<version>/<resource>/<namespace>/<name>, not ${shown(key)}`);
  return {
    group: group === "core" ? "" : group,
    version,
    resource,
    namespace: namespace === "null" ? undefined : namespace,
    name: name === "null" ? "" : name,
  };
}

/** The answer to what was done. @param result Absent: nothing is given back. */
export function approved(sent: Json, result?: unknown): Json {
  const RespBody = result === undefined ? null : Buffer.from(JSON.stringify(result)).toString("base64");
  return { ...sent, RespBody, Status: "Approved", Reason: "", Error: { ErrStatus: { metadata: {} } } };
}

/** The answer to what was not done. */
export function rejected(sent: Json, error: ApiError): Json {
  const { kind: _kind, apiVersion: _version, ...ErrStatus } = error.status;
  return { ...sent, RespBody: null, Status: "Rejected", Reason: "", Error: { ErrStatus } };
}

/** JSON in base64, as Go writes byte slices. */
function documentIn(value: unknown, field: string): unknown {
  const text = textOf(value);
  if (text === "") return undefined;
  if (text.length > maxOption * 4) throw bad(`${field} is too long`);
  try {
    return JSON.parse(Buffer.from(text, "base64").toString()) as unknown;
  } catch {
    throw bad(`${field} is no JSON in base64`);
  }
}

function bad(why: string): ApiError {
  return new ApiError("BadRequest", `this is no application: ${why}`);
}

function shown(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 120);
}
