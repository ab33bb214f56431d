import {
  ApiError,
  groupResource,
  isSet,
  type Kind,
  type KubeObject,
  notServed,
  type PatchKind,
} from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { deleteOptions, type ObjectCall, objectIn, requireScope, writeOptions } from "./api-call.ts";
import type { Authorizer } from "./authorizer.ts";
import { requireNodeRestriction } from "./node-restriction.ts";
import { withoutUndefined } from "./object-lifecycle.ts";
import type { RegistryOptions } from "./object-writing.ts";
import { answerLog, type PodLogs } from "./pod-logs.ts";
import { shownList, shownObject, type TableWish } from "./presentation.ts";
import type { Registry, RegistryList } from "./registry.ts";
import { mediaType, readBody } from "./request-body.ts";
import { sendJson, warningHeaders } from "./responses.ts";
import type { Reviews } from "./reviews.ts";
import { patchScale, scaled, scaleOf } from "./scale.ts";
import type { User } from "./user.ts";
import type { WatchResponses } from "./watch-response.ts";

export interface ObjectRequestsParts {
  readonly registry: Registry;
  readonly authorizer: Authorizer;
  readonly reviews: Reviews;
  readonly watches: WatchResponses;
  readonly clock: Clock;
  /** Absent: nobody can tell what containers have written. */
  readonly podLogs: PodLogs | undefined;
}

const patchKinds: Readonly<Record<string, PatchKind>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
  "application/apply-patch": "apply",
};
/** Parts of an object that are read and changed like it. */
const parts = { status: "status", approval: "approval", finalize: "finalize" } as const;

/** Answers requests about objects that who asks may make. */
export class ObjectRequests {
  readonly #parts: ObjectRequestsParts;

  constructor(parts: ObjectRequestsParts) {
    this.#parts = parts;
  }

  /** Throws an ApiError for what is not done. */
  async answer(call: ObjectCall): Promise<void> {
    const { kind, path, info } = call;
    requireScope(kind, path, info.verb);
    if (path.subresource !== "") return await this.#answerSubresource(call);
    switch (info.verb) {
      case "get":
        return await this.#send(call, 200, await this.#parts.registry.get(kind.type, path));
      case "list":
        return await this.#list(call);
      case "watch":
        return await this.#parts.watches.serve(call, this.#watchQuery(call), this.#wish(call));
      case "create":
        return await this.#create(call);
      case "update":
        return await this.#update(call, undefined);
      case "patch":
        return await this.#patch(call, undefined);
      case "delete":
        return await this.#delete(call);
      case "deletecollection":
        return await this.#deleteCollection(call);
      default:
        throw notAllowed();
    }
  }

  async #answerSubresource(call: ObjectCall): Promise<void> {
    const { kind, path, info } = call;
    const { subresource } = path;
    const known =
      (subresource === "status" && kind.type.hasStatus) ||
      (subresource === "finalize" && groupResource(kind.type) === "namespaces") ||
      kind.type.subresources.some(({ name }) => name === subresource);
    if (!known) throw notServed();
    if (subresource === "scale") return await this.#scale(call);
    if (subresource === "log") return await this.#log(call);
    if (!Object.hasOwn(parts, subresource)) return await this.#post(call);
    const part = parts[subresource as keyof typeof parts];
    switch (info.verb) {
      case "get":
        return await this.#send(call, 200, await this.#parts.registry.get(kind.type, path));
      case "update":
        return await this.#update(call, part);
      case "patch":
        return await this.#patch(call, part);
      default:
        throw notAllowed();
    }
  }

  async #list(call: ObjectCall): Promise<void> {
    const { kind, form } = call;
    const list = await this.#parts.registry.list(kind.type, this.#listQuery(call));
    await sendJson(call, 200, shownList(kind, list, form, this.#wish(call)));
  }

  async #create(call: ObjectCall): Promise<void> {
    const { kind, path } = call;
    if (path.name !== "") throw notAllowed();
    const object = objectIn(call, await readBody(call.request));
    if (!kind.type.verbs.includes("list")) {
      const answer = await this.#parts.reviews.answer(call, object);
      return await sendJson(call, 201, answer);
    }
    const asked = kind.type.kind === "CertificateSigningRequest" ? withRequester(object, call.user) : object;
    await this.#send(call, 201, await this.#parts.registry.create(kind.type, asked, this.#options(call)));
  }

  async #update(call: ObjectCall, subresource: RegistryOptions["subresource"]): Promise<void> {
    const { kind, path } = call;
    if (path.name === "") throw notAllowed();
    const object = objectIn(call, await readBody(call.request), path.name);
    const options = { ...this.#options(call), subresource };
    await this.#send(call, 200, await this.#parts.registry.update(kind.type, object, options));
  }

  async #patch(call: ObjectCall, subresource: RegistryOptions["subresource"]): Promise<void> {
    const { kind, path } = call;
    if (path.name === "") throw notAllowed();
    const patchKind = requirePatchKind(call);
    const patch = await readBody(call.request);
    const before = this.#version(call);
    const options = { ...this.#options(call), subresource };
    const object = await this.#parts.registry.patch(kind.type, path, patchKind, patch, options);
    await this.#send(call, before === undefined && patchKind === "apply" ? 201 : 200, object);
  }

  async #delete(call: ObjectCall): Promise<void> {
    const { kind, path, info, request } = call;
    const options = deleteOptions(info.query, await readBody(request));
    const { object, gone } = await this.#parts.registry.remove(kind.type, path, options);
    if (!gone) return await this.#send(call, 200, object);
    const { name, uid } = object.metadata;
    const group = kind.type.group === "" ? {} : { group: kind.type.group };
    await sendJson(call, 200, {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: { name, ...group, kind: kind.type.resource, uid },
    });
  }

  async #deleteCollection(call: ObjectCall): Promise<void> {
    const { kind, info, request } = call;
    const options = deleteOptions(info.query, await readBody(request));
    const list = await this.#parts.registry.deleteCollection(kind.type, this.#listQuery(call), options);
    await sendJson(call, 200, list);
  }

  async #post(call: ObjectCall): Promise<void> {
    const { kind, path, info, request } = call;
    if (info.verb !== "create") throw notAllowed();
    const part = kind.type.subresources.find(({ name }) => name === path.subresource);
    const { group = "", version = "v1" } = part ?? {};
    const body = (await readBody(request)) ?? {};
    if (typeof body !== "object" || Array.isArray(body))
      throw new ApiError("BadRequest", "the object provided is unrecognized");
    const apiVersion = group === "" ? version : `${group}/${version}`;
    const document = { apiVersion, kind: part?.kind, metadata: {}, ...body } as KubeObject;
    if (path.subresource === "eviction") tryOnly(document, info.query);
    if (path.subresource === "token") this.#parts.authorizer.requireToken(call.user, path, document);
    await sendJson(
      call,
      201,
      await this.#parts.registry.request(kind.type, path, path.subresource, document),
    );
  }

  async #scale(call: ObjectCall): Promise<void> {
    const { kind, path, info, request } = call;
    const { registry } = this.#parts;
    if (info.verb === "get") return await sendJson(call, 200, scaleOf(await registry.get(kind.type, path)));
    if (info.verb !== "update" && info.verb !== "patch") throw notAllowed();
    const patchKind = info.verb === "patch" ? requirePatchKind(call) : undefined;
    const body = await readBody(request);
    const change = (object: KubeObject): KubeObject => {
      const current = scaleOf(object);
      return scaled(object, patchKind === undefined ? body : patchScale(current, patchKind, body));
    };
    await sendJson(call, 200, scaleOf(await registry.revise(kind.type, path, change, this.#options(call))));
  }

  async #log(call: ObjectCall): Promise<void> {
    const { podLogs, registry } = this.#parts;
    if (podLogs === undefined) throw notServed();
    if (call.info.verb !== "get") throw notAllowed();
    await answerLog(call, await registry.get(call.kind.type, call.path), podLogs);
  }

  async #send(call: ObjectCall, code: number, object: KubeObject): Promise<void> {
    const { response, warnings, kind, form } = call;
    if (warnings.length > 0) response.setHeader("Warning", warningHeaders(warnings));
    await sendJson(call, code, shownObject(kind, object, form, this.#wish(call)));
  }

  #options(call: ObjectCall): RegistryOptions {
    const { authorizer } = this.#parts;
    const { user, info, path } = call;
    const admit: RegistryOptions["admit"] = (next, old) => {
      // An apply that makes the object needs the right to make it.
      if (old === undefined && info.verb === "patch")
        authorizer.require(user, { verb: "create", path: info.path, resource: path });
      authorizer.requireNoEscalation(user, next, old);
      requireNodeRestriction(user, next, old);
    };
    return { ...writeOptions(call), admit };
  }

  #listQuery({ info, path }: ObjectCall): RegistryList {
    const { query } = info;
    const text = (name: string): string | undefined => query.get(name) ?? undefined;
    const limit = Number(query.get("limit") ?? 0);
    if (!Number.isInteger(limit) || limit < 0)
      throw new ApiError("BadRequest", "limit must be a whole number");
    return {
      namespace: path.namespace,
      labelSelector: text("labelSelector"),
      fieldSelector: path.name === "" ? text("fieldSelector") : `metadata.name=${path.name}`,
      resourceVersion: text("resourceVersion"),
      resourceVersionMatch: text("resourceVersionMatch"),
      continue: text("continue"),
      ...(limit > 0 ? { limit } : {}),
    };
  }

  #watchQuery(call: ObjectCall): Parameters<WatchResponses["serve"]>[1] {
    const { namespace, labelSelector, fieldSelector, resourceVersion } = this.#listQuery(call);
    const { query } = call.info;
    const sendInitialEvents = query.has("sendInitialEvents") ? isSet(query, "sendInitialEvents") : undefined;
    return { namespace, labelSelector, fieldSelector, resourceVersion, sendInitialEvents };
  }

  #wish({ info }: ObjectCall): TableWish {
    const wanted = info.query.get("includeObject");
    const includeObject = wanted === "None" || wanted === "Object" ? wanted : "Metadata";
    return { now: this.#parts.clock.wallTime(), includeObject, columns: true };
  }

  /** `undefined`: the object is not there. */
  #version({ kind, path }: ObjectCall): string | undefined {
    return this.#parts.registry.peek(kind, path)?.metadata.resourceVersion;
  }
}

/** Who asks for a certificate is the server's to say. */
function withRequester(request: KubeObject, { name: username, uid, groups, extra }: User): KubeObject {
  const spec = withoutUndefined({ ...(request.spec as object | undefined), username, uid, groups, extra });
  return { ...request, spec };
}

/** An eviction carries the terms of its deletion; that it is only tried may be in the query too. */
function tryOnly(eviction: Record<string, unknown>, query: URLSearchParams): void {
  const dryRun = query.getAll("dryRun");
  if (dryRun.length === 0) return;
  eviction.deleteOptions = { ...(eviction.deleteOptions as object | undefined), dryRun };
}

/** Throws `UnsupportedMediaType`. */
function requirePatchKind({ request }: ObjectCall): PatchKind {
  const type = mediaType(request);
  const kind = Object.hasOwn(patchKinds, type) ? patchKinds[type] : undefined;
  if (kind !== undefined) return kind;
  throw new ApiError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${Object.keys(patchKinds).slice(0, 4).join(", ")}`,
  );
}

function notAllowed(): ApiError {
  return new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource");
}

/** True for kinds that are answered and not kept. */
export function isQuestion({ type }: Kind): boolean {
  return !type.verbs.includes("list");
}
