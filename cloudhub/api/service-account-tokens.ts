import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from "node:crypto";
import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { ApiError, type KubeObject, notFound } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { readIfThere, writeDurably } from "../../platform/private-files.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import { timestamp } from "./object-lifecycle.ts";
import { groupsOfServiceAccounts, type User } from "./user.ts";

/** What tokens are for when nobody says; also who issues them. As Kubernetes' default. */
export const tokenIssuer = "https://kubernetes.default.svc.cluster.local";

const shortestSeconds = 600;
const longestSeconds = 2 ** 32;
const defaultSeconds = 3_600;

interface TokenSpec {
  readonly audiences?: readonly string[] | null;
  readonly expirationSeconds?: number | null;
  readonly boundObjectRef?: {
    readonly kind?: string;
    readonly apiVersion?: string;
    readonly name?: string;
    readonly uid?: string;
  } | null;
}

/** What a token says of an object. */
interface Bound {
  readonly name: string;
  readonly uid: string;
}

interface TokenClaims {
  readonly namespace: string;
  readonly serviceaccount: Bound;
  readonly pod?: Bound;
  readonly secret?: Bound;
}

/** Tokens with which programs in pods say who they are: JWTs, good as long as what they are bound to. */
export class ServiceAccountTokens {
  readonly #store: Pick<ResourceStore, "get">;
  readonly #clock: Clock;
  readonly #key: KeyObject;
  readonly #keyId: string;
  readonly #publicKey: KeyObject;

  private constructor(
    parts: { store: Pick<ResourceStore, "get">; clock: Clock },
    key: KeyObject,
    keyId: string,
  ) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#key = key;
    this.#keyId = keyId;
    this.#publicKey = createPublicKey(key);
  }

  /** Reads the signing key from the data directory, or makes it. */
  static async open(
    directory: string,
    parts: { store: Pick<ResourceStore, "get">; clock: Clock },
  ): Promise<ServiceAccountTokens> {
    const file = join(directory, "service-account.key");
    let pem = readIfThere(file);
    if (pem === undefined) {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      writeDurably(file, pem, 0o600);
    }
    const key = createPrivateKey(pem);
    const keyId = await calculateJwkThumbprint(await exportJWK(createPublicKey(key)));
    return new ServiceAccountTokens(parts, key, keyId);
  }

  /**
   * Answers a TokenRequest: repeats it and adds the token. The spec stays as it came; kubelets find the token again by
   * it. Throws `Invalid`, `NotFound` or `Conflict`.
   */
  async issue(account: KubeObject, request: KubeObject): Promise<KubeObject> {
    const spec = (request.spec ?? {}) as TokenSpec;
    const seconds = spec.expirationSeconds ?? defaultSeconds;
    if (!Number.isInteger(seconds) || seconds < shortestSeconds || seconds > longestSeconds) {
      const problem = `may not specify a duration ${seconds < shortestSeconds ? "less than 10 minutes" : "larger than 2^32 seconds"}`;
      throw invalidRequest("spec.expirationSeconds", seconds, problem);
    }
    const { name = "", namespace = "", uid = "" } = account.metadata;
    const now = Math.floor(this.#clock.wallTime() / 1_000);
    const claims: TokenClaims = { namespace, serviceaccount: { name, uid }, ...this.#bound(account, spec) };
    const audiences = spec.audiences?.length ? [...spec.audiences] : [tokenIssuer];
    const token = await new SignJWT({ "kubernetes.io": claims })
      .setProtectedHeader({ alg: "ES256", kid: this.#keyId })
      .setIssuer(tokenIssuer)
      .setSubject(`system:serviceaccount:${namespace}:${name}`)
      .setAudience(audiences)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + seconds)
      .setJti(randomUUID())
      .sign(this.#key);
    const expirationTimestamp = timestamp((now + seconds) * 1_000);
    const metadata = { ...request.metadata, name, namespace };
    return { ...request, metadata, status: { token, expirationTimestamp } };
  }

  /**
   * Who holds a token. Throws `Unauthorized` for one that is not, or no longer, good.
   *
   * @param audiences Of which it must have one.
   */
  async verify(token: string, audiences: readonly string[] = [tokenIssuer]): Promise<User> {
    const payload = await this.#read(token, audiences);
    const claims = payload["kubernetes.io"] as TokenClaims;
    const { namespace, serviceaccount, pod, secret } = claims;
    this.#requireThere("serviceaccounts", namespace, serviceaccount);
    if (pod !== undefined) this.#requireThere("pods", namespace, pod);
    if (secret !== undefined) this.#requireThere("secrets", namespace, secret);
    const extra: Record<string, readonly string[]> = {};
    if (pod !== undefined) {
      extra["authentication.kubernetes.io/pod-name"] = [pod.name];
      extra["authentication.kubernetes.io/pod-uid"] = [pod.uid];
    }
    return {
      name: `system:serviceaccount:${namespace}:${serviceaccount.name}`,
      uid: serviceaccount.uid,
      groups: groupsOfServiceAccounts(namespace),
      extra,
    };
  }

  async #read(token: string, audience: readonly string[]): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, this.#publicKey, {
        issuer: tokenIssuer,
        audience: [...audience],
        algorithms: ["ES256"],
        currentDate: new Date(this.#clock.wallTime()),
      });
      return payload;
    } catch (error) {
      throw new ApiError("Unauthorized", error instanceof Error ? error.message : "the token is not good");
    }
  }

  #requireThere(type: string, namespace: string, { name, uid }: Bound): void {
    if (this.#store.get({ type, namespace, name })?.object.metadata.uid === uid) return;
    throw new ApiError("Unauthorized", `the token is bound to ${type} ${namespace}/${name}, which is gone`);
  }

  #bound(account: KubeObject, { boundObjectRef }: TokenSpec): Partial<TokenClaims> {
    if (!boundObjectRef) return {};
    const { kind, name = "", uid } = boundObjectRef;
    if (kind !== "Pod" && kind !== "Secret")
      throw invalidRequest("spec.boundObjectRef.kind", kind, "only Pod and Secret can be bound to");
    const type = kind === "Pod" ? "pods" : "secrets";
    const { namespace = "" } = account.metadata;
    const object = this.#store.get({ type, namespace, name })?.object;
    if (object === undefined) throw notFound(type, name);
    const found = object.metadata.uid ?? "";
    if (uid && uid !== found) {
      const text = `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`;
      throw new ApiError("Conflict", `Operation cannot be fulfilled on ${type} "${name}": ${text}`);
    }
    return kind === "Pod" ? { pod: { name, uid: found } } : { secret: { name, uid: found } };
  }
}

function invalidRequest(field: string, value: unknown, problem: string): ApiError {
  const message = `Invalid value: ${JSON.stringify(value)}: ${problem}`;
  return new ApiError("Invalid", `TokenRequest.authentication.k8s.io "" is invalid: ${field}: ${message}`, {
    group: "authentication.k8s.io",
    kind: "TokenRequest",
    causes: [{ reason: "FieldValueInvalid", message, field }],
  });
}
