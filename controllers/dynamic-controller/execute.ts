import {
  ApiError,
  type KubeObject,
  type ObjectsApi,
  type PatchKind,
  type WriteOptions,
} from "../../kubernetes/index.ts";
import { type Json, kubeObjectOf, objectOf, textOf } from "../runtime/fields.ts";
import type { Application, Target } from "./application.ts";

const patchKinds: Readonly<Record<string, PatchKind>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

/** Does what an application asks. Throws an ApiError. @returns What is given back; `undefined`: nothing. */
export async function execute(
  objects: ObjectsApi,
  { verb, target, option, body }: Application,
): Promise<unknown> {
  const { name, subresource } = target;
  switch (verb) {
    case "get":
      requirePart(subresource);
      return await objects.get(target, requireName(target));
    case "list":
      return await objects.list(target, listQuery(target, option));
    case "create": {
      if (subresource === "")
        return await objects.create(target, objectFor(target, body), writeOptions(option));
      const document = { metadata: {}, ...objectOf(body) } as KubeObject;
      return await objects.request(target, requireName(target), subresource, document);
    }
    case "update":
    case "updatestatus": {
      const isStatus = verb === "updatestatus" || subresource === "status";
      if (!isStatus) requirePart(subresource);
      const options = { ...writeOptions(option), ...(isStatus ? { subresource: "status" as const } : {}) };
      return await objects.update(target, objectFor(target, body), options);
    }
    case "patch":
      return await patch(objects, target, option);
    case "delete":
      if (subresource !== "") throw noSuchPart();
      await objects.delete(target, requireName(target), deleteOptions(option));
      return undefined;
    default:
      throw new ApiError("MethodNotAllowed", `${verb} of ${name || target.resource} is not done here`);
  }
}

async function patch(objects: ObjectsApi, target: Target, option: Json): Promise<KubeObject> {
  const { PatchType, Data, Options } = option;
  const kind = patchKinds[textOf(PatchType)];
  if (kind === undefined)
    throw new ApiError(
      "UnsupportedMediaType",
      `a patch must be one of ${Object.keys(patchKinds).join(", ")}`,
    );
  const part = target.subresource;
  requirePart(part);
  const options = {
    ...writeOptions(objectOf(Options)),
    ...(part === "status" ? { subresource: "status" as const } : {}),
  };
  return await objects.patch(target, requireName(target), kind, jsonIn(Data), options);
}

export function listQuery({ namespace, name }: Target, option: Json) {
  const { labelSelector, fieldSelector, limit, continue: next } = option;
  const fields = [textOf(fieldSelector), name === "" ? "" : `metadata.name=${name}`];
  return {
    namespace,
    labelSelector: textOf(labelSelector) || undefined,
    fieldSelector: fields.filter((one) => one !== "").join(",") || undefined,
    limit: typeof limit === "number" && limit > 0 ? Math.trunc(limit) : undefined,
    continue: textOf(next) || undefined,
  };
}

/** Who does not say who he is, is named after his way here. */
function writeOptions({ fieldManager, force, dryRun }: Json): WriteOptions {
  return {
    fieldManager: textOf(fieldManager) || "metaserver",
    ...(force === true ? { force } : {}),
    ...(isDryRun(dryRun) ? { dryRun: true } : {}),
  };
}

function deleteOptions({ gracePeriodSeconds, preconditions, propagationPolicy, dryRun }: Json) {
  const { uid, resourceVersion } = objectOf(preconditions);
  const terms = {
    ...(typeof uid === "string" ? { uid } : {}),
    ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
  };
  const policy = (["Orphan", "Background", "Foreground"] as const).find((one) => one === propagationPolicy);
  return {
    ...(typeof gracePeriodSeconds === "number" ? { gracePeriodSeconds } : {}),
    ...(Object.keys(terms).length === 0 ? {} : { preconditions: terms }),
    ...(policy === undefined ? {} : { propagationPolicy: policy }),
    ...(isDryRun(dryRun) ? { dryRun: true } : {}),
  };
}

function isDryRun(words: unknown): boolean {
  return Array.isArray(words) && words.includes("All");
}

/** The object that was sent, in the place that was named. */
function objectFor({ namespace, name }: Target, body: unknown): KubeObject {
  const object = kubeObjectOf(body);
  if (object === undefined) throw new ApiError("BadRequest", "the body must be an object");
  const { metadata } = object;
  if (metadata.namespace && metadata.namespace !== namespace)
    throw new ApiError("BadRequest", "the namespace of the object and that of the request differ");
  if (name !== "" && metadata.name && metadata.name !== name)
    throw new ApiError("BadRequest", "the name of the object and that of the request differ");
  const place = { ...(namespace === undefined ? {} : { namespace }), ...(name === "" ? {} : { name }) };
  return { ...object, metadata: { ...metadata, ...place } };
}

function requireName({ namespace, name }: Target) {
  if (name === "") throw new ApiError("BadRequest", "name must be provided");
  return { namespace, name };
}

/** Status is read and changed like the object. */
function requirePart(subresource: string): void {
  if (subresource !== "" && subresource !== "status") throw noSuchPart();
}

function noSuchPart(): ApiError {
  return new ApiError("NotFound", "the server could not find the requested resource");
}

function jsonIn(data: unknown): unknown {
  try {
    return JSON.parse(Buffer.from(textOf(data), "base64").toString()) as unknown;
  } catch {
    throw new ApiError("BadRequest", "the patch is no JSON");
  }
}
