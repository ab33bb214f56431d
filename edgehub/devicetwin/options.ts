import { choice, flag, section, whole } from "../../platform/config.ts";

export const deviceTwinSection = section("DeviceTwin: the devices of this node", {
  enable: flag(true, { description: "Run it" }),
  ids: choice("auto", ["auto", "name", "namespaced"] as const, {
    description:
      "Ids of devices, in topics and from the cloud. name: <name>, as KubeEdge 1.15 has them. namespaced: <namespace>/<name>, as later ones. auto: both, each as the cloud gave it",
  }),
  confirmTimeoutMs: whole(60_000, 1_000, 3_600_000, {
    description: "What a KubeEdge cloud has not confirmed after so long is sent again, ms",
  }),
  maxPayloadBytes: whole(1 << 20, 1_024, 64 << 20, {
    description: "Largest payload of a device, or of a program that asks for one, bytes",
  }),
  maxDevices: whole(10_000, 1, 1_000_000, { description: "Most devices this node can have" }),
  maxProperties: whole(1_000, 1, 100_000, {
    description: "Most properties, and most attributes, a device can have; deleted ones count",
  }),
});
