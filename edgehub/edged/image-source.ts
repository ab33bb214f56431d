import { asHubError, HubError } from "../../protocol/index.ts";
import { dataOf, type PodContext } from "./environment.ts";
import { type Json, objectOf, textOf } from "./fields.ts";
import type { Container, Pod } from "./pod.ts";
import type { Reason } from "./pod-view.ts";
import type { Runtime } from "./runtime.ts";

interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Sees that a container's image is there, as its pull policy says. An image that is to be pulled always but cannot be
 * is used as it is here: a node that is offline starts its pods again.
 *
 * Rejects with a retryable `E_NO_MODULE` if the runtime cannot be reached.
 */
export async function provideImage(
  runtime: Runtime,
  pod: Pod,
  container: Container,
  context: PodContext,
): Promise<{ readonly id: string } | { readonly problem: Reason }> {
  const { image, pullPolicy } = container;
  try {
    const present = await runtime.imageId(image);
    if (present !== undefined && pullPolicy !== "Always") return { id: present };
    if (pullPolicy === "Never") return never(image);
    try {
      return { id: await runtime.pullImage(image, credentialsFor(image, pullConfigs(pod, context))) };
    } catch (error) {
      if (present === undefined || isDown(error)) throw error;
      return { id: present };
    }
  } catch (error) {
    if (isDown(error)) throw error;
    return { problem: { reason: "ErrImagePull", message: asHubError(error).message.slice(0, 1_000) } };
  }
}

/** The runtime cannot be reached; that is no fault of the pod. */
export function isDown(error: unknown): boolean {
  return error instanceof HubError && error.code === "E_NO_MODULE";
}

/** The credentials that a pod's pull secrets hold for an image's registry. Pure. */
export function credentialsFor(image: string, configs: readonly Json[]): Credentials | undefined {
  const registry = registryOf(image);
  for (const config of configs) {
    for (const [name, value] of Object.entries(objectOf(config.auths ?? config))) {
      if (hostOf(name) !== registry) continue;
      const entry = objectOf(value);
      const [user, ...rest] = Buffer.from(textOf(entry.auth), "base64").toString("utf8").split(":");
      const username = textOf(entry.username) || (user ?? "");
      return { username, password: textOf(entry.password) || rest.join(":") };
    }
  }
  return undefined;
}

function never(image: string): { readonly problem: Reason } {
  const message = `Container image "${image}" is not present with pull policy of Never`;
  return { problem: { reason: "ErrImageNeverPull", message } };
}

function pullConfigs(pod: Pod, context: PodContext): Json[] {
  return pod.imagePullSecrets.flatMap((name) => {
    const data = dataOf("secret", context.find("secret", name) ?? {});
    const text = data.get(".dockerconfigjson") ?? data.get(".dockercfg");
    try {
      return text === undefined ? [] : [objectOf(JSON.parse(Buffer.from(text).toString("utf8")))];
    } catch {
      return [];
    }
  });
}

/** `docker.io` for names without a registry, as in the reference grammar of distribution. */
function registryOf(image: string): string {
  const first = image.split("/")[0] ?? "";
  const isHost = image.includes("/") && (/[.:]/.test(first) || first === "localhost");
  return isHost ? first : "docker.io";
}

function hostOf(name: string): string {
  const host = name.replace(/^https?:\/\//, "").split("/")[0] ?? "";
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}
