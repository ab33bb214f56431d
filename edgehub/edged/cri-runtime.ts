import type { Clock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import { criCalls } from "./cri/calls.ts";
import { CriClient } from "./cri/client.ts";
import { ContainerStatuses } from "./cri/container-statuses.ts";
import { type ImageUser, imageUserOf, needsImageUser } from "./cri/image-user.ts";
import { configOf, labels, sandboxConfig, sandboxSpec } from "./cri/pod-config.ts";
import {
  containerOf,
  imageOf,
  type ListedContainer,
  type ListedSandbox,
  neededByOthers,
  podOf,
  untoldStatus,
} from "./cri/pod-status.ts";
import type {
  ContainerSpec,
  ExecResult,
  Runtime,
  RuntimeContainer,
  RuntimeImage,
  RuntimePod,
  SandboxSpec,
} from "./runtime.ts";

export interface CriOptions {
  /** The runtime's socket: `unix:///run/containerd/containerd.sock`. */
  readonly endpoint: string;
  /** The node's name: pods of other agents and of a kubelet at the same runtime are not ours. */
  readonly node: string;
}

/** Containers, through the Container Runtime Interface of containerd or CRI-O. */
export class CriRuntime implements Runtime {
  readonly name = "cri";
  readonly #node: string;
  readonly #client: CriClient;
  readonly #statuses = new ContainerStatuses();
  /** Addresses of sandboxes; one keeps its own as long as it lives. */
  readonly #addresses = new Map<string, string>();

  constructor(clock: Clock, options: CriOptions) {
    this.#node = options.node;
    this.#client = new CriClient(options.endpoint, clock);
  }

  async version(): Promise<string> {
    const { runtimeName, runtimeVersion } = await this.#client.call(criCalls.version, { version: "v1" });
    return `${runtimeName} ${runtimeVersion}`;
  }

  async pods(): Promise<readonly RuntimePod[]> {
    const filter = { labelSelector: { [labels.owner]: this.#node } };
    const [{ items }, { containers }] = await Promise.all([
      this.#client.call(criCalls.listPodSandbox, { filter }),
      this.#client.call(criCalls.listContainers, { filter }),
    ]);
    this.#statuses.retain(containers);
    for (const id of this.#addresses.keys()) {
      if (!items.some((one) => one.id === id)) this.#addresses.delete(id);
    }
    const bySandbox = Map.groupBy(containers, (one) => one.podSandboxId);
    return await Promise.all(items.map((sandbox) => this.#pod(sandbox, bySandbox.get(sandbox.id) ?? [])));
  }

  async #pod(sandbox: ListedSandbox, listed: readonly ListedContainer[]): Promise<RuntimePod> {
    const [ip, containers] = await Promise.all([
      this.#address(sandbox),
      Promise.all(listed.map((one) => this.#container(one))),
    ]);
    return podOf(
      sandbox,
      ip,
      containers.filter((one) => one !== undefined),
    );
  }

  async #container(listed: ListedContainer): Promise<RuntimeContainer | undefined> {
    const known = this.#statuses.find(listed);
    if (known !== undefined) return containerOf(listed, known);
    try {
      const { status } = await this.#client.call(criCalls.containerStatus, { containerId: listed.id });
      if (status === undefined) return undefined;
      this.#statuses.keep(status);
      return containerOf(listed, status);
    } catch (error) {
      if (isGone(error)) return undefined;
      if (isRefusal(error)) return containerOf(listed, untoldStatus(listed, error.message));
      throw error;
    }
  }

  /** `undefined` in the network of the node, and for a sandbox that has ended. */
  async #address(sandbox: ListedSandbox): Promise<string | undefined> {
    if (sandbox.state !== "ready") return undefined;
    const known = this.#addresses.get(sandbox.id);
    if (known !== undefined) return known || undefined;
    try {
      const { status } = await this.#client.call(criCalls.podSandboxStatus, { podSandboxId: sandbox.id });
      if (status?.state !== "ready") return undefined;
      const ip = status.network?.ip ?? "";
      this.#addresses.set(sandbox.id, ip);
      return ip || undefined;
    } catch (error) {
      if (isGone(error) || isRefusal(error)) return undefined;
      throw error;
    }
  }

  async runSandbox(spec: SandboxSpec): Promise<string> {
    const config = sandboxConfig(spec, this.#node);
    const { podSandboxId } = await this.#client.call(criCalls.runPodSandbox, { config });
    return podSandboxId;
  }

  async stopSandbox(id: string): Promise<void> {
    await unlessGone(this.#client.call(criCalls.stopPodSandbox, { podSandboxId: id }));
  }

  async removeSandbox(id: string): Promise<void> {
    await unlessGone(this.#client.call(criCalls.removePodSandbox, { podSandboxId: id }));
  }

  async createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    const { status } = await this.#client.call(criCalls.podSandboxStatus, { podSandboxId: sandboxId });
    if (status === undefined) throw new HubError("E_NOT_FOUND", `sandbox ${sandboxId} has no status`);
    const sandbox = sandboxSpec(status);
    const imageUser = needsImageUser(spec) ? await this.#imageUser(spec) : undefined;
    const { containerId } = await this.#client.call(criCalls.createContainer, {
      podSandboxId: sandboxId,
      config: configOf(spec, { sandbox, owner: this.#node, imageUser }),
      sandboxConfig: sandboxConfig(sandbox, this.#node),
    });
    return containerId;
  }

  async #imageUser(spec: ContainerSpec): Promise<ImageUser> {
    const { image } = await this.#client.call(criCalls.imageStatus, { image: { image: spec.image } });
    return imageUserOf(image, spec);
  }

  async startContainer(id: string): Promise<void> {
    await this.#client.call(criCalls.startContainer, { containerId: id });
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    const request = { containerId: id, timeout: graceSeconds };
    await unlessGone(this.#client.call(criCalls.stopContainer, request, graceSeconds * 1_000));
  }

  async removeContainer(id: string): Promise<void> {
    await unlessGone(this.#client.call(criCalls.removeContainer, { containerId: id }));
  }

  async exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const timeout = Math.max(1, Math.ceil(timeoutMs / 1_000));
    const request = { containerId: id, cmd: command, timeout };
    return await this.#client.call(criCalls.execSync, request, timeout * 1_000);
  }

  async reopenLog(id: string): Promise<void> {
    await this.#client.call(criCalls.reopenContainerLog, { containerId: id });
  }

  async images(): Promise<readonly RuntimeImage[]> {
    const [{ images }, { containers }, { info }] = await Promise.all([
      this.#client.call(criCalls.listImages, {}),
      this.#client.call(criCalls.listContainers, {}),
      this.#client.call(criCalls.status, { verbose: true }),
    ]);
    const needed = neededByOthers(containers, this.#node, info);
    return images.map((one) => imageOf(one, needed));
  }

  async imageId(reference: string): Promise<string | undefined> {
    const { image } = await this.#client.call(criCalls.imageStatus, { image: { image: reference } });
    return image?.id;
  }

  async pullImage(reference: string, auth?: { username: string; password: string }): Promise<string> {
    const { imageRef } = await this.#client.call(criCalls.pullImage, { image: { image: reference }, auth });
    return imageRef;
  }

  async removeImage(id: string): Promise<void> {
    await unlessGone(this.#client.call(criCalls.removeImage, { image: { image: id } }));
  }

  async imageDisk(): Promise<{ path: string; usedBytes: number } | undefined> {
    const { imageFilesystems } = await this.#client.call(criCalls.imageFsInfo, {});
    const [first] = imageFilesystems;
    if (first === undefined) return undefined;
    return { path: first.fsId?.mountpoint ?? "", usedBytes: first.usedBytes?.value ?? 0 };
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** `undefined` for what is not there any more. */
async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof HubError && error.code === "E_NOT_FOUND";
}

/** What is wrong with one container or sandbox must not hide the others. */
function isRefusal(error: unknown): error is HubError {
  return error instanceof HubError && error.code === "E_REFUSED";
}
