import { single } from "./option.ts";
import { url } from "./values.ts";

/** Where simulated nodes go, if not where the hub's own file says. */
export const nodeAddressOptions = {
  server: single({
    value: "URL",
    description: "where nodes connect (default: as the hub's admin.json says, or port 10000 of its host)",
    parse: url("wss:"),
  }),
  join: single({
    value: "URL",
    description: "where nodes join (default: as the hub's admin.json says, or port 10002 of its host)",
    parse: url("https:"),
  }),
};
