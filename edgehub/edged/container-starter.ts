import { join } from "node:path";
import type { Clock } from "../../platform/clock.ts";
import { asHubError, HubError } from "../../protocol/index.ts";
import { passes } from "./check.ts";
import { textIn } from "./disk.ts";
import { environmentOf, type PodContext, type Problems } from "./environment.ts";
import { hostsMount } from "./hosts-file.ts";
import { isDown, provideImage } from "./image-source.ts";
import type { Container, Pod } from "./pod.ts";
import { containerSpecOf, sandboxSpecOf } from "./pod-spec.ts";
import type { Reason } from "./pod-view.ts";
import type { Runtime, RuntimePod } from "./runtime.ts";
import type { FindToken } from "./volume-files.ts";
import type { Volumes } from "./volumes.ts";

/** A hook has no limit in Kubernetes; a pod that hangs in one shall not hang for ever. */
const hookTimeoutMs = 300_000;

export interface StarterParts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly volumes: Volumes;
  /** Absolute directory of all logs. */
  readonly logRoot: string;
  /** What a pod may ask. @param podIp Empty: none yet. */
  contextOf(pod: Pod, podIp: string): PodContext & { readonly token: FindToken };
}

/** Where, and how long, a container may start. */
export interface StartPlace {
  readonly sandbox: RuntimePod;
  readonly attempt: number;
  /** Of the pod. */
  readonly podIp: string;
  readonly ending: AbortSignal;
}

/** Makes sandboxes and containers run; says in a kubelet's words why one does not. */
export class ContainerStarter {
  readonly #parts: StarterParts;

  constructor(parts: StarterParts) {
    this.#parts = parts;
  }

  /** Directory of a pod's logs. */
  logDirectory({ namespace, name, uid }: Pick<Pod, "namespace" | "name" | "uid">): string {
    return join(this.#parts.logRoot, `${namespace}_${name}_${uid}`);
  }

  /** @returns Why not; `undefined`: it runs. Rejects if the runtime cannot be reached. */
  async runSandbox(pod: Pod, attempt: number): Promise<Reason | undefined> {
    return await this.#attempt("FailedCreatePodSandBox", async () => {
      const place = { logDirectory: this.logDirectory(pod), resolvConf: textIn("/etc/resolv.conf") };
      await this.#parts.runtime.runSandbox(sandboxSpecOf(pod, attempt, place));
      return undefined;
    });
  }

  /**
   * @param created Called when it exists, before it runs. @param ending Aborted: the pod is to end, nothing more starts.
   * @returns Why not; `undefined`: it runs, or need not any more. Rejects if the runtime cannot be reached, or with what
   *   `created` says.
   */
  async start(
    pod: Pod,
    container: Container,
    { sandbox, attempt, podIp, ending }: StartPlace,
    created: () => Promise<void>,
  ): Promise<Reason | undefined> {
    const { runtime, volumes } = this.#parts;
    const context = this.#parts.contextOf(pod, podIp);
    const problems: Problems = [];
    const env = environmentOf(pod, container, context, []);
    let paths = new Map<string, string>();
    const unready = await this.#attempt("CreateContainerConfigError", () => {
      paths = volumes.prepare(pod, context, problems);
      return Promise.resolve(undefined);
    });
    if (unready) return unready;
    const image =
      problems.length > 0
        ? undefined
        : await unlessEnding(ending, provideImage(runtime, pod, container, context));
    if (image && "problem" in image) return image.problem;
    if (ending.aborted) return undefined;
    let id = "";
    const uncreated = await this.#attempt("CreateContainerError", async () => {
      const mounts =
        problems.length > 0 ? [] : volumes.mounts(pod, container, { paths, attempt, env }, problems);
      if (problems.length === 0 && runtime.name === "cri")
        mounts.push(...hostsMount(pod, podIp, mounts, join(volumes.directory(pod.uid), "etc-hosts")));
      const parts = { attempt, image: image?.id ?? "", mounts };
      const spec = containerSpecOf(pod, container, parts, context, problems);
      const message = problems.slice(0, 3).join("; ").slice(0, 1_000);
      if (problems.length > 0) return { reason: "CreateContainerConfigError", message };
      id = await runtime.createContainer(sandbox.sandboxId, spec);
      return undefined;
    });
    if (uncreated) return uncreated;
    await created();
    const notRun = await this.#attempt("RunContainerError", async () => {
      await runtime.startContainer(id);
      return undefined;
    });
    return notRun ?? (await unlessEnding(ending, this.#postStart(pod, container, id, podIp)));
  }

  async #postStart(pod: Pod, container: Container, id: string, podIp: string): Promise<Reason | undefined> {
    const { clock, runtime } = this.#parts;
    if (container.postStart === undefined) return undefined;
    const target = { id, container, address: podIp, timeoutMs: hookTimeoutMs };
    if (await passes({ clock, runtime }, container.postStart, target)) return undefined;
    return await this.#attempt("PostStartHookError", async () => {
      await runtime.stopContainer(id, pod.graceSeconds);
      return { reason: "PostStartHookError", message: `the postStart hook of ${container.name} failed` };
    });
  }

  async #attempt(reason: string, work: () => Promise<Reason | undefined>): Promise<Reason | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isDown(error)) throw error;
      const wrong = error instanceof HubError ? error : asHubError(error);
      return { reason, message: wrong.message.slice(0, 1_000) };
    }
  }
}

/** What becomes of the work; `undefined` at once when the pod is to end: then nobody waits for it. */
async function unlessEnding<T>(ending: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  ending.addEventListener("abort", end, { once: true });
  if (ending.aborted) end();
  work.catch(() => undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    ending.removeEventListener("abort", end);
  }
}
