import type { IncomingMessage, ServerResponse } from "node:http";
import {
  ApiError,
  type DeleteOptions,
  type Kind,
  type KubeObject,
  notServed,
  type ObjectPath,
} from "../../kubernetes/index.ts";
import type { Form } from "./negotiation.ts";
import { withoutUndefined } from "./object-lifecycle.ts";
import type { FieldValidation, RegistryOptions } from "./object-writing.ts";
import type { RequestInfo } from "./request-info.ts";
import type { User } from "./user.ts";

/** One request on its way. */
export interface ApiCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly info: RequestInfo;
  readonly user: User;
  readonly form: Form;
  /** What the client is told beside its answer. */
  readonly warnings: string[];
  /** The client has gone. */
  readonly gone: AbortSignal;
}

/** A call about objects of a kind that is served. */
export interface ObjectCall extends ApiCall {
  readonly kind: Kind;
  readonly path: ObjectPath;
}

/** Throws `NotFound` for a path that has a namespace where its kind has none, or has none where one is needed. */
export function requireScope({ type }: Kind, { namespace, name }: ObjectPath, verb: string): void {
  const needed = type.namespaced && (name !== "" || verb === "create" || verb === "deletecollection");
  if (type.namespaced ? !needed || namespace !== undefined : namespace === undefined) return;
  throw notServed();
}

/** How a write is meant, by its query. Throws `BadRequest`. */
export function writeOptions(call: ObjectCall): RegistryOptions {
  const { query } = call.info;
  return withoutUndefined({
    dryRun: dryRunOf(query.getAll("dryRun")),
    fieldManager: managerOf(call),
    fieldValidation: validationOf(query.get("fieldValidation")),
    force: query.get("force") === "true" ? true : undefined,
    warn: (text: string) => void call.warnings.push(text),
  });
}

/** How a deletion is meant: by its body, and by its query. Throws `BadRequest`. */
export function deleteOptions(query: URLSearchParams, body: unknown): DeleteOptions {
  const sent = (body ?? {}) as Partial<Record<string, unknown>>;
  if (typeof sent !== "object" || Array.isArray(sent))
    throw new ApiError("BadRequest", "the body of a deletion is no DeleteOptions");
  const grace = query.get("gracePeriodSeconds") ?? sent.gracePeriodSeconds ?? undefined;
  const gracePeriodSeconds = grace === undefined ? undefined : Number(grace);
  if (gracePeriodSeconds !== undefined && !Number.isInteger(gracePeriodSeconds))
    throw new ApiError("BadRequest", "gracePeriodSeconds must be a whole number");
  const orphan = query.get("orphanDependents") ?? sent.orphanDependents ?? undefined;
  const implied = orphan === undefined ? undefined : String(orphan) === "true" ? "Orphan" : "Background";
  const propagationPolicy = query.get("propagationPolicy") ?? sent.propagationPolicy ?? implied;
  const dryRun = Array.isArray(sent.dryRun) ? (sent.dryRun as string[]) : [];
  return withoutUndefined({
    gracePeriodSeconds,
    propagationPolicy: policyOf(propagationPolicy),
    preconditions: (sent.preconditions ?? undefined) as DeleteOptions["preconditions"],
    dryRun: dryRunOf([...query.getAll("dryRun"), ...dryRun]),
  });
}

/**
 * The object of a body, with what the path says of it. Throws `BadRequest` if they do not agree.
 *
 * @param name Of the path; absent: it is the body's to say.
 */
export function objectIn(call: ObjectCall, body: unknown, name?: string): KubeObject {
  const { kind, path } = call;
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new ApiError(
      "BadRequest",
      `the object provided is unrecognized (must be of type ${kind.type.kind})`,
    );
  const version = path.group === "" ? path.version : `${path.group}/${path.version}`;
  const sent = { apiVersion: version, kind: kind.type.kind, ...body } as KubeObject;
  if (typeof (sent.metadata ?? {}) !== "object")
    throw new ApiError("BadRequest", "the field metadata must be an object");
  const namespace = sent.metadata?.namespace || path.namespace;
  if (path.namespace !== undefined && namespace !== path.namespace) {
    const text = `the namespace of the provided object does not match the namespace sent on the request`;
    throw new ApiError("BadRequest", text);
  }
  const sentName = sent.metadata?.name || name;
  if (name !== undefined && sentName !== name) {
    const text = `the name of the object (${sentName}) does not match the name on the URL (${name})`;
    throw new ApiError("BadRequest", text);
  }
  return { ...sent, metadata: withoutUndefined({ ...sent.metadata, namespace, name: sentName }) };
}

function dryRunOf(values: readonly string[]): true | undefined {
  const other = values.find((value) => value !== "All" && value !== "");
  if (other !== undefined)
    throw new ApiError(
      "BadRequest",
      `dryRun: Unsupported value: ${JSON.stringify(other)}: supported values: "All"`,
    );
  return values.includes("All") ? true : undefined;
}

/** Absent: the program's name, as it calls itself. */
function managerOf({ info, request }: ApiCall): string | undefined {
  const given = info.query.get("fieldManager");
  if (given !== null) {
    if (given.length <= 128) return given === "" ? undefined : given;
    throw new ApiError("BadRequest", "fieldManager: Too long: may not be more than 128 bytes");
  }
  if (request.headers["content-type"]?.startsWith("application/apply-patch")) return undefined;
  const program = request.headers["user-agent"]?.split("/")[0]?.slice(0, 128);
  return program || "unknown";
}

function validationOf(value: string | null): FieldValidation | undefined {
  if (value === null || value === "") return undefined;
  if (value === "Ignore" || value === "Warn" || value === "Strict") return value;
  throw new ApiError(
    "BadRequest",
    `fieldValidation: Unsupported value: ${JSON.stringify(value.slice(0, 80))}: supported values: "Ignore", "Strict", "Warn"`,
  );
}

function policyOf(value: unknown): DeleteOptions["propagationPolicy"] {
  if (value === undefined || value === null) return undefined;
  if (value === "Orphan" || value === "Background" || value === "Foreground") return value;
  throw new ApiError(
    "BadRequest",
    `propagationPolicy: Unsupported value: ${JSON.stringify(String(value).slice(0, 80))}: supported values: "Background", "Foreground", "Orphan"`,
  );
}
