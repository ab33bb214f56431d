import { isObject } from "../../kubernetes/json.ts";
import type { ObjectPath } from "../../kubernetes/path.ts";

/** Options of requests as the cloud reads them, JSON text. Pure. Source: Kubernetes meta.v1 options. */

const metaVersion = "meta.k8s.io/v1";

export function listOption(query: URLSearchParams, more: { watch?: true } = {}): string {
  const limit = Number(query.get("limit") ?? 0);
  return JSON.stringify({
    ...textsOf(query, ["labelSelector", "fieldSelector"]),
    ...more,
    ...(limit > 0 && more.watch === undefined ? { limit } : {}),
    ...(more.watch === undefined ? textsOf(query, ["continue"]) : {}),
  });
}

export function writeOption(kind: "CreateOptions" | "UpdateOptions", query: URLSearchParams): string {
  return JSON.stringify({
    kind,
    apiVersion: metaVersion,
    ...dryRun(query),
    ...textsOf(query, ["fieldManager", "fieldValidation"]),
  });
}

/** @param body What the client sent as DeleteOptions, if it did. */
export function deleteOption(query: URLSearchParams, body: unknown): string {
  const given = isObject(body) ? body : {};
  const seconds = query.get("gracePeriodSeconds");
  const kind = { kind: "DeleteOptions", apiVersion: metaVersion };
  return JSON.stringify({
    ...kind,
    ...given,
    ...kind,
    ...dryRun(query),
    ...(seconds !== null && /^\d{1,9}$/.test(seconds) ? { gracePeriodSeconds: Number(seconds) } : {}),
    ...textsOf(query, ["propagationPolicy"]),
  });
}

export function patchOption(
  path: ObjectPath,
  patch: { readonly type: string; readonly body: string },
  query: URLSearchParams,
): string {
  const force = query.get("force");
  const options = {
    kind: "PatchOptions",
    apiVersion: metaVersion,
    ...dryRun(query),
    ...(force === null ? {} : { force: force === "true" }),
    ...textsOf(query, ["fieldManager", "fieldValidation"]),
  };
  return JSON.stringify({
    Name: path.name,
    PatchType: patch.type,
    Data: Buffer.from(patch.body).toString("base64"),
    Options: options,
    Subresources: [path.subresource],
  });
}

function dryRun(query: URLSearchParams): { readonly dryRun?: readonly string[] } {
  const words = query.getAll("dryRun").filter((word) => word !== "");
  return words.length > 0 ? { dryRun: words } : {};
}

function textsOf(query: URLSearchParams, names: readonly string[]): Readonly<Record<string, string>> {
  const given = names.map((name) => [name, query.get(name) ?? ""] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ""));
}
