import { choice, flag, type OptionsOf, section, text, whole } from "../../platform/config.ts";

export const edgedSection = section("Edged: the pods of this node", {
  enable: flag(false, { description: "Run it", minimal: true }),
  runtime: choice("cri", ["cri", "process"] as const, {
    description:
      "cri: containers, through containerd or CRI-O. process: plain processes WITHOUT ANY ISOLATION, for development and machines without containers",
    minimal: true,
  }),
  remoteRuntimeEndpoint: text("unix:///run/containerd/containerd.sock", { description: "The CRI socket" }),
  rootDirectory: text("", { description: "Volumes and logs of pods; empty: `edged` in dataDir" }),
  syncMs: whole(1_000, 50, 60_000, { description: "How often pods are compared with what runs, ms" }),
  nodeStatusUpdateMs: whole(10_000, 1_000, 600_000, {
    description: "How often the node's status goes up, ms",
  }),
  leaseDurationSeconds: whole(40, 5, 3_600, {
    description: "Life of the node's lease, s; renewed in a quarter of it",
  }),
  containerLogMaxBytes: whole(10 << 20, 1_024, 2 ** 34, { description: "A log is rotated at so many bytes" }),
  containerLogMaxFiles: whole(5, 2, 100, { description: "Files kept of a container's log" }),
  imageGCHighPercent: whole(85, 1, 100, { description: "Disk use at which unused images are removed" }),
  imageGCLowPercent: whole(80, 1, 100, { description: "Disk use down to which they are" }),
  eviction: flag(true, {
    description: "End pods, lowest priority first, while memory or disk run short, as a kubelet does",
  }),
  maxPods: whole(110, 1, 10_000, { description: "Pods on this node" }),
  namespace: choice("default", ["default", "null"] as const, {
    description: "Namespace of the node object in messages: default as KubeEdge 1.15, null as later ones",
  }),
});

export type EdgedOptions = OptionsOf<typeof edgedSection>;
