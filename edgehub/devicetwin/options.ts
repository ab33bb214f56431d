import { choice, flag, section, whole } from "../../platform/config.ts";

export const deviceTwinSection = section("DeviceTwin: the devices of this node", {
  enable: flag(true, { description: "Run it" }),
  ids: choice("auto", ["auto", "name", "namespaced"] as const, {
    description:
      "Device ids in topics: name, as KubeEdge 1.15 has them; namespaced (<namespace>/<name>), as later ones; auto: as each device came from the cloud",
  }),
  confirmTimeoutMs: whole(60_000, 1_000, 3_600_000, {
    description: "What a KubeEdge cloud has not confirmed after so long is sent again, ms",
  }),
});
