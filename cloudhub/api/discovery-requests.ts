import type { IncomingMessage, ServerResponse } from "node:http";
import {
  aggregatedDiscovery,
  coreVersions,
  groupDocument,
  groupList,
  type Kind,
  openApiDocument,
  openApiIndex,
  openApiProtobuf,
  openApiProtobufType,
  openApiV2,
  type ResourceType,
  resourceList,
} from "../../kubernetes/index.ts";
import { notAcceptable } from "./api-handler.ts";
import type { Kinds } from "./kinds.ts";
import { type Form, formOf } from "./negotiation.ts";
import { notServed } from "./object-requests.ts";
import type { RequestInfo } from "./request-info.ts";
import { sendBytes, sendJson } from "./responses.ts";

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly info: RequestInfo;
}

/** Answers which kinds there are and what their objects look like. */
export class DiscoveryRequests {
  readonly #kinds: Kinds;

  constructor(kinds: Kinds) {
    this.#kinds = kinds;
  }

  /** Throws `NotFound` for other paths, `NotAcceptable` for clients that take no JSON. */
  async answer(exchange: Exchange): Promise<void> {
    const { request, response, info } = exchange;
    if (info.path === "/openapi/v2" && request.headers.accept?.includes(openApiProtobufType)) {
      response.setHeader("Content-Type", openApiProtobufType);
      await sendBytes(exchange, 200, openApiProtobuf(openApiV2(this.#kinds.all)));
      return;
    }
    const form = formOf(request.headers.accept);
    if (form === undefined) throw notAcceptable();
    const parts = info.path.split("/").filter((part) => part !== "");
    const types = this.#kinds.all.map(({ type }) => type);
    const document = openApiAt(parts, this.#kinds.all) ?? documentAt(parts, types, form);
    if (document === undefined) throw notServed();
    if (form.as === "discovery" && parts.length === 1)
      response.setHeader(
        "Content-Type",
        `application/json;g=apidiscovery.k8s.io;v=${form.version};as=APIGroupDiscoveryList`,
      );
    await sendJson(exchange, 200, document);
  }
}

/** @returns `undefined` for what is no path of an OpenAPI document. */
function openApiAt([root, version, ...place]: readonly string[], kinds: readonly Kind[]): object | undefined {
  if (root !== "openapi") return undefined;
  if (version === "v2") return place.length === 0 ? openApiV2(kinds) : undefined;
  if (version !== "v3") return undefined;
  return place.length === 0 ? openApiIndex(kinds) : openApiDocument(kinds, place.join("/"));
}

/** @returns `undefined` for what is no discovery path. */
function documentAt(
  [root, first, second, ...rest]: readonly string[],
  types: readonly ResourceType[],
  form: Form,
): object | undefined {
  if (rest.length > 0) return undefined;
  const core = root === "api";
  if (!core && root !== "apis") return undefined;
  if (first === undefined) {
    if (form.as === "discovery") return aggregatedDiscovery(types, { core, version: form.version });
    return core ? coreVersions() : groupList(types);
  }
  if (core) return second === undefined ? resourceList(types, { group: "", version: first }) : undefined;
  if (second === undefined) return groupDocument(types, first);
  return resourceList(types, { group: first, version: second });
}
