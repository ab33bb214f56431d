import { get } from "node:https";
import { text } from "node:stream/consumers";
import type { HubProgram } from "../programs.ts";

/** A value of the hub's metrics, without labels. Throws if it has none of that name. */
export async function hubMetric(hub: HubProgram, name: string): Promise<number> {
  const { ca, token } = hub.admin;
  const page = await new Promise<string>((resolve, reject) => {
    const options = { ca, headers: { Authorization: `Bearer ${token}` } };
    get(`https://127.0.0.1:${hub.ports.api}/metrics`, options, (response) => {
      text(response).then(resolve, reject);
    }).once("error", reject);
  });
  const value = new RegExp(`^${name} (\\S+)$`, "m").exec(page)?.[1];
  if (value === undefined) throw new Error(`the hub has no metric ${name}`);
  return Number(value);
}
