import {
  ApiError,
  apiVersionOf,
  type DeleteOptions,
  type KubeList,
  type KubeObject,
  type ListQuery,
  type ObjectName,
  type ObjectsApi,
  type PatchKind,
  type ResourceName,
  type Status,
  type WatchEvent,
  type WatchQuery,
  type WriteOptions,
} from "../kubernetes/index.ts";
import { errorOfStatus, ObjectRequests, unreachable } from "./object-requests.ts";
import type { ConnectOptions } from "./options.ts";

/** A hub that does not answer within this time is taken for lost, ms. */
const answerMs = 60_000;
/** A watch without even a bookmark for so long is taken for lost, ms; the hub sends one a minute. */
const silenceMs = 180_000;
const maxEventCharacters = 64 << 20;

const contentTypes: Readonly<Record<PatchKind, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

type Words = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * The objects of a hub, over HTTPS. What cannot be asked because the hub cannot be reached rejects with
 * `ServiceUnavailable`, a watch that is cut throws it; after that, list or watch again.
 */
export class HttpObjects implements ObjectsApi {
  readonly #requests: ObjectRequests;

  constructor(options: ConnectOptions) {
    this.#requests = new ObjectRequests(options);
  }

  get(resource: ResourceName, { namespace, name }: ObjectName): Promise<KubeObject> {
    return this.#object("GET", pathOf(resource, namespace, name));
  }

  async list(resource: ResourceName, query: ListQuery = {}): Promise<KubeList> {
    const { namespace, ...words } = query;
    const path = pathOf(resource, namespace) + queryOf({ ...words });
    return (await this.#requests.json({ method: "GET", path, silenceMs: answerMs })) as KubeList;
  }

  async *watch(resource: ResourceName, query: WatchQuery): AsyncGenerator<WatchEvent> {
    const { namespace, labelSelector, fieldSelector, signal } = query;
    let { resourceVersion } = query;
    // The hub ends a watch after a while: it goes on where it was.
    while (!signal?.aborted) {
      const words = { labelSelector, fieldSelector, resourceVersion, watch: true, allowWatchBookmarks: true };
      for await (const event of this.#events(pathOf(resource, namespace) + queryOf(words), signal)) {
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
        yield event;
      }
    }
  }

  create(resource: ResourceName, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const path = pathOf(resource, object.metadata.namespace);
    return this.#object("POST", path + queryOf(writeWords(options)), object);
  }

  update(resource: ResourceName, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const { namespace, name } = object.metadata;
    const path = pathOf(resource, namespace, name ?? "", options.subresource);
    return this.#object("PUT", path + queryOf(writeWords(options)), object);
  }

  async patch(
    resource: ResourceName,
    { namespace, name }: ObjectName,
    kind: PatchKind,
    patch: unknown,
    options: WriteOptions = {},
  ): Promise<KubeObject> {
    const path = pathOf(resource, namespace, name, options.subresource) + queryOf(writeWords(options));
    const contentType = contentTypes[kind];
    const request = { method: "PATCH", path, body: patch, contentType, silenceMs: answerMs } as const;
    return (await this.#requests.json(request)) as KubeObject;
  }

  /** What is gone at once is shown with what its end tells of it: name, namespace and uid. */
  async delete(
    resource: ResourceName,
    { namespace, name }: ObjectName,
    options: DeleteOptions = {},
  ): Promise<KubeObject> {
    const { dryRun, ...terms } = options;
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      ...terms,
      ...(dryRun ? { dryRun: ["All"] } : {}),
    };
    const answer = await this.#object("DELETE", pathOf(resource, namespace, name), body);
    if (answer.kind !== "Status") return answer;
    const { details = {} } = answer as unknown as Status;
    const metadata = {
      name,
      ...(namespace ? { namespace } : {}),
      ...(details.uid ? { uid: details.uid } : {}),
    };
    return { apiVersion: apiVersionOf(resource), kind: details.kind ?? "", metadata };
  }

  request(
    resource: ResourceName,
    { namespace, name }: ObjectName,
    subresource: string,
    document: KubeObject,
  ): Promise<KubeObject> {
    return this.#object("POST", pathOf(resource, namespace, name, subresource), document);
  }

  /** Ends all connections: what is under way rejects, watches throw. */
  close(): void {
    this.#requests.close();
  }

  async #object(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<KubeObject> {
    return (await this.#requests.json({ method, path, body, silenceMs: answerMs })) as KubeObject;
  }

  async *#events(path: string, signal: AbortSignal | undefined): AsyncGenerator<WatchEvent> {
    try {
      const response = await this.#requests.stream({ method: "GET", path, signal, silenceMs });
      let rest = "";
      response.setEncoding("utf8");
      for await (const chunk of response as AsyncIterable<string>) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        if (rest.length > maxEventCharacters)
          throw new ApiError("InternalError", "an event of a watch is too long");
        for (const line of lines) if (line !== "") yield eventOf(line);
      }
    } catch (error) {
      if (signal?.aborted) return;
      throw error instanceof ApiError ? error : unreachable(error);
    }
  }
}

/** Throws what an error event tells of. */
function eventOf(line: string): WatchEvent {
  const event = JSON.parse(line) as WatchEvent | { readonly type: "ERROR"; readonly object: Partial<Status> };
  if (event.type === "ERROR") throw errorOfStatus(event.object);
  return event;
}

function pathOf(
  { group, version, resource }: ResourceName,
  namespace: string | undefined,
  name?: string,
  subresource?: string,
): string {
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const within = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const parts = [resource, name, subresource].filter((part) => part !== undefined && part !== "");
  return `${root}${within}/${parts.map((part) => encodeURIComponent(part ?? "")).join("/")}`;
}

function writeWords({ fieldManager, force, dryRun }: WriteOptions): Words {
  return { fieldManager, force, dryRun: dryRun ? "All" : undefined };
}

function queryOf(words: Words): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(words)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
