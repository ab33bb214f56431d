import { readDatabase } from "../../platform/read-only-sqlite.ts";
import { HubError, shown } from "../../protocol/index.ts";
import { edgeApplicationId } from "../store/schema.ts";
import type { Command } from "./command.ts";
import { describeDevice } from "./describe-device.ts";
import { describeMessage } from "./describe-message.ts";
import { describePod } from "./describe-pod.ts";
import { requirePlace } from "./place.ts";

export const describe: Command = {
  name: "describe",
  usage: "pod|device|message NAME",
  summary: "all that is known of one of them, for people",
  detail: `A pod is named NAME or NAMESPACE/NAME, a device by its id, a message by its position, its id, or its resource path.`,
  options: [{ name: "namespace", short: "n", value: "NAME", description: "of the pod" }],
  words: { min: 2, max: 2 },
  run(given, io) {
    const [kind = "", wanted = ""] = given.words;
    const { database } = requirePlace(given.options);
    const namespace = given.text("namespace");
    const text = readDatabase(database, edgeApplicationId, (open) => {
      switch (kind.toLowerCase()) {
        case "pod":
        case "pods":
          return describePod(open, { wanted, namespace }, io.now);
        case "device":
        case "devices":
          return describeDevice(open, wanted, io.now);
        case "message":
        case "messages":
          return describeMessage(open, wanted, io.now);
        default:
          throw new HubError(
            "E_BAD_OPTION",
            `describe knows pod, device and message, got ${shown(kind)}; of others: edgehub get ${kind}/… -o yaml`,
          );
      }
    });
    io.out(text);
    return 0;
  },
};
