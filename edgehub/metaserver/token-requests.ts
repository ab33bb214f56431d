import { isObject, type JsonObject } from "../../kubernetes/json.ts";
import type { ObjectPath } from "../../kubernetes/path.ts";
import type { Clock } from "../../platform/clock.ts";
import type { EdgeStore } from "../store/edge-store.ts";
import { audienceOf, isOld, type StoredToken, type TokenKey, TokenTable } from "../store/token-table.ts";
import type { Outcome } from "./application.ts";
import type { CloudApi } from "./cloud-api.ts";
import type { LocalObjects } from "./local-objects.ts";
import { requireObject, type WriteAnswer, type WriteRequest } from "./object-writes.ts";
import { CloudRefusal } from "./status.ts";
import { writeOption } from "./verb-options.ts";

export interface TokenRequestParts {
  readonly node: string;
  readonly clock: Clock;
  readonly cloud: CloudApi;
  readonly objects: Pick<LocalObjects, "get">;
  readonly store: EdgeStore;
}

const requestType = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest" } as const;
/** As at Kubernetes. */
const defaultSeconds = 3_600;
/** Tokens of one pod: one more is given, and not kept. */
const maxKept = 16;
const maxAudience = 1_024;
const mirrorAnnotation = "kubernetes.io/config.mirror";

/**
 * Tokens of service accounts for pods of this node: one that the node has and that is not old, else one of the cloud, and
 * without the cloud any that is still good. The cloud says which tokens a node gets: those bound to its pods.
 */
export class TokenRequests {
  readonly #parts: TokenRequestParts;
  readonly #tokens: TokenTable;

  constructor(parts: TokenRequestParts) {
    this.#parts = parts;
    this.#tokens = new TokenTable(parts.store);
  }

  /** Rejects as `write` does. */
  async answer(request: WriteRequest): Promise<WriteAnswer> {
    const { path, query, contentType, body, gone } = request;
    const { clock, cloud } = this.#parts;
    const tokens = this.#tokens;
    const document = requireObject(contentType, body);
    const key = query.has("dryRun") ? undefined : this.#keyOf(path, document);
    const found = key && tokens.get(key);
    if (found && !isOld(found, clock.wallTime())) return answerWith(path, document, found);
    const spare = key && tokens.longest(key, clock.wallTime());
    // Clients need not say what they post; clouds that are Kubernetes want to know.
    const asked = JSON.stringify({ ...requestType, ...document });
    const draft = { path, verb: "create", option: writeOption("CreateOptions", query), body: asked } as const;
    if (spare === undefined) return await this.#answerOf(await cloud.ask(draft, gone), key);
    const outcome = await cloud.tryToAsk(draft, { hasOwn: () => true, signal: gone });
    if (outcome === undefined || isPassing(outcome)) return answerWith(path, document, spare);
    return await this.#answerOf(outcome, key);
  }

  async #answerOf(outcome: Outcome, key: TokenKey | undefined): Promise<WriteAnswer> {
    if (!outcome.approved) throw new CloudRefusal(outcome.status);
    const text = outcome.body ?? "null";
    if (key) await this.#keep(key, text);
    return { code: 201, text };
  }

  /** @returns `undefined`: the token would not be bound to a pod of this node that uses the account. */
  #keyOf({ namespace, name }: ObjectPath, { spec }: JsonObject): TokenKey | undefined {
    const { audiences, expirationSeconds, boundObjectRef } = isObject(spec) ? spec : {};
    const { kind, name: podName, uid } = isObject(boundObjectRef) ? boundObjectRef : {};
    if (kind !== "Pod" || typeof podName !== "string" || typeof uid !== "string") return undefined;
    const seconds = expirationSeconds ?? defaultSeconds;
    const audience = audienceOf(textsIn(audiences));
    if (!Number.isSafeInteger(seconds) || audience.length > maxAudience) return undefined;
    const at = { group: "", version: "v1", resource: "pods", namespace, name: podName, subresource: "" };
    const pod = this.#parts.objects.get(at);
    const { nodeName, serviceAccountName } = isObject(pod?.spec) ? pod.spec : {};
    const isOwn = nodeName === this.#parts.node && (serviceAccountName || "default") === name;
    if (!isOwn || pod?.metadata.uid !== uid || pod.metadata.annotations?.[mirrorAnnotation] !== undefined)
      return undefined;
    return { uid, audience, seconds: seconds as number };
  }

  /** That it cannot be kept does not spoil the answer. */
  async #keep(key: TokenKey, text: string): Promise<void> {
    const { clock } = this.#parts;
    const tokens = this.#tokens;
    const { status } = objectIn(text);
    const { token, expirationTimestamp } = isObject(status) ? status : {};
    const endsAt = Date.parse(String(expirationTimestamp));
    if (typeof token !== "string" || token === "" || Number.isNaN(endsAt)) return;
    const givenAt = clock.wallTime();
    if (tokens.alive(key.uid, givenAt) >= maxKept && tokens.get(key) === undefined) return;
    await tokens.put(key, { token, givenAt, endsAt }, maxKept).catch(() => undefined);
  }
}

/** As the cloud answers: the request, with the token. */
function answerWith(
  { name, namespace }: ObjectPath,
  { metadata, spec }: JsonObject,
  { token, endsAt }: StoredToken,
): WriteAnswer {
  const expirationTimestamp = new Date(endsAt).toISOString().replace(/\.\d+Z$/, "Z");
  const answer = {
    ...requestType,
    metadata: { ...(isObject(metadata) ? metadata : {}), name, namespace },
    spec,
    status: { token, expirationTimestamp },
  };
  return { code: 201, text: JSON.stringify(answer) };
}

/** The cloud could not do it now. */
function isPassing(outcome: Outcome): boolean {
  return !outcome.approved && outcome.status.code >= 500;
}

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

function objectIn(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
