import { HubError, shown } from "../../protocol/index.ts";
import type { Command } from "./command.ts";
import { describeDevice } from "./describe-device.ts";
import { describeMessage } from "./describe-message.ts";
import { describePod } from "./describe-pod.ts";
import { typeOf } from "./kinds.ts";
import { readEdge, requirePlace } from "./place.ts";

export const describe: Command = {
  name: "describe",
  usage: "pod|device|message NAME",
  summary: "all that is known of one of them, for people",
  detail: `A pod is named NAME or NAMESPACE/NAME, a device by its id, a message by its position, its id, or its resource path.`,
  examples: [
    ["edgehub describe pod camera -n plant", "its containers, and why it does not run"],
    ["edgehub describe device press-7", "its twins, attributes, and what the hub has not confirmed"],
    ["edgehub describe message 41", "a message that waits or was refused, with its content"],
  ],
  options: [
    {
      name: "namespace",
      short: "n",
      value: "NAME",
      description: "of the pod or device; or write NAMESPACE/NAME",
    },
  ],
  words: { min: 2, max: 2 },
  run(given, io) {
    const [kind = "", wanted = ""] = given.words;
    const { database } = requirePlace(given.options);
    const namespace = given.text("namespace");
    const text = readEdge(database, (open) => {
      switch (typeOf(kind)) {
        case "pod":
          return describePod(open, { wanted, namespace }, io.now);
        case "device":
          return describeDevice(open, { name: wanted, namespace }, io.now);
        case "message":
          return describeMessage(open, wanted, io.now);
        default:
          throw new HubError(
            "E_BAD_OPTION",
            `describe knows pod, device and message, got ${shown(kind)}; of others: edgehub get ${kind} ${wanted} -o yaml`,
          );
      }
    });
    io.out(text);
    return 0;
  },
};
