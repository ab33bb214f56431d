import type { KubeObject } from "../../../kubernetes/index.ts";
import { type Answer, ApiClient } from "../../support/api-client.ts";
import { startWorld, type World } from "../../support/world.ts";

/** The Kubernetes API as bytes on a connection. */

export const maps = "/api/v1/namespaces/default/configmaps";

export const map = (name: string, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  ...more,
});

export interface HttpWorld {
  readonly world: World;
  readonly api: ApiClient;
  /** Posts as the admin; without a path, to the ConfigMaps. */
  post(body: unknown, path?: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

export async function startHttpWorld(): Promise<HttpWorld> {
  const world = await startWorld();
  const api = new ApiClient(world);
  return {
    world,
    api,
    post: (body, path = maps, headers = {}) => api.send(path, { method: "POST", body, headers }),
  };
}
