import type { IncomingMessage, ServerResponse } from "node:http";
import {
  aggregatedDiscovery,
  coreVersions,
  groupDocument,
  groupList,
  type Kind,
  notServed,
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
  /** Documents as they are sent, by path and form, of these kinds. */
  #documents = new Map<string, string | Uint8Array>();
  #version = -1;

  constructor(kinds: Kinds) {
    this.#kinds = kinds;
  }

  /** Throws `NotFound` for other paths, `NotAcceptable` for clients that take no JSON. */
  async answer(exchange: Exchange): Promise<void> {
    const { request, response, info } = exchange;
    if (this.#version !== this.#kinds.version) this.#documents = new Map();
    this.#version = this.#kinds.version;
    if (info.path === "/openapi/v2" && protobufAsked.test(request.headers.accept ?? "")) {
      response.setHeader("Content-Type", openApiProtobufType.sent);
      const bytes = this.#known("protobuf", () => openApiProtobuf(openApiV2(this.#kinds.all)));
      await sendBytes(exchange, 200, bytes as Uint8Array);
      return;
    }
    const form = formOf(request.headers.accept);
    if (form === undefined) throw notAcceptable();
    const parts = info.path.split("/").filter((part) => part !== "");
    const discovered = form.as === "discovery" && parts.length === 1;
    const name = `${discovered ? form.version : "plain"} ${parts.join("/")}`;
    const text = this.#known(name, () => {
      const types = this.#kinds.all.map(({ type }) => type);
      const document = openApiAt(parts, this.#kinds.all) ?? documentAt(parts, types, form);
      if (document === undefined) throw notServed();
      return `${JSON.stringify(document)}\n`;
    });
    if (discovered)
      response.setHeader(
        "Content-Type",
        `application/json;g=apidiscovery.k8s.io;v=${form.version};as=APIGroupDiscoveryList`,
      );
    await sendJson(exchange, 200, text as string);
  }

  /** Made once for the kinds there are: making them takes some time. */
  #known(name: string, make: () => string | Uint8Array): string | Uint8Array {
    const known = this.#documents.get(name);
    if (known !== undefined) return known;
    const made = make();
    this.#documents.set(name, made);
    return made;
  }
}

/** Clients write the version with `@` or with a point. */
const protobufAsked = /application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf/;

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
