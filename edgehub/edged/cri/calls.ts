import * as cri from "./messages.ts";
import type { MessageType } from "./protobuf.ts";

/** A call of the Container Runtime Interface: what goes there, what comes back, and how long it may take. */
export interface CriCall<In, Out> {
  readonly path: string;
  readonly request: MessageType<unknown, In>;
  readonly response: MessageType<Out, never>;
  readonly timeoutMs: number;
}

/** Looking is quick; changing waits for processes to start and end; an image may come over a thin line. */
const look = 30_000;
const change = 120_000;
const pull = 3_600_000;

function call<In, Out>(
  path: string,
  request: MessageType<unknown, In>,
  response: MessageType<Out, never>,
  timeoutMs: number,
): CriCall<In, Out> {
  return { path: `/runtime.v1.${path}`, request, response, timeoutMs };
}

/** The calls Edged makes. */
export const criCalls = {
  version: call("RuntimeService/Version", cri.versionRequest, cri.versionResponse, look),
  status: call("RuntimeService/Status", cri.statusRequest, cri.statusResponse, look),
  runPodSandbox: call("RuntimeService/RunPodSandbox", cri.runPodSandboxRequest, cri.podSandboxId, 2 * change),
  stopPodSandbox: call("RuntimeService/StopPodSandbox", cri.podSandboxId, cri.nothing, change),
  removePodSandbox: call("RuntimeService/RemovePodSandbox", cri.podSandboxId, cri.nothing, change),
  podSandboxStatus: call(
    "RuntimeService/PodSandboxStatus",
    cri.podSandboxId,
    cri.podSandboxStatusResponse,
    look,
  ),
  listPodSandbox: call(
    "RuntimeService/ListPodSandbox",
    cri.listPodSandboxRequest,
    cri.listPodSandboxResponse,
    look,
  ),
  createContainer: call(
    "RuntimeService/CreateContainer",
    cri.createContainerRequest,
    cri.containerId,
    change,
  ),
  startContainer: call("RuntimeService/StartContainer", cri.containerId, cri.nothing, change),
  stopContainer: call("RuntimeService/StopContainer", cri.stopContainerRequest, cri.nothing, change),
  removeContainer: call("RuntimeService/RemoveContainer", cri.containerId, cri.nothing, change),
  listContainers: call(
    "RuntimeService/ListContainers",
    cri.listContainersRequest,
    cri.listContainersResponse,
    look,
  ),
  containerStatus: call("RuntimeService/ContainerStatus", cri.containerId, cri.containerStatusResponse, look),
  execSync: call("RuntimeService/ExecSync", cri.execSyncRequest, cri.execSyncResponse, look),
  reopenContainerLog: call("RuntimeService/ReopenContainerLog", cri.containerId, cri.nothing, look),
  listImages: call("ImageService/ListImages", cri.nothing, cri.listImagesResponse, look),
  imageStatus: call("ImageService/ImageStatus", cri.imageRequest, cri.imageStatusResponse, look),
  pullImage: call("ImageService/PullImage", cri.pullImageRequest, cri.pullImageResponse, pull),
  removeImage: call("ImageService/RemoveImage", cri.imageRequest, cri.nothing, change),
  imageFsInfo: call("ImageService/ImageFsInfo", cri.nothing, cri.imageFsInfoResponse, look),
} as const;
