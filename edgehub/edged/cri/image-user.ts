import { HubError } from "../../../protocol/index.ts";
import type { ContainerSpec } from "../runtime.ts";
import type { image } from "./messages.ts";
import type { Decoded } from "./protobuf.ts";

/** The user that an image names for its containers: a number, or a name that only the image's files explain. */
export interface ImageUser {
  readonly uid: number | undefined;
  readonly name: string;
}

/**
 * Must a container's image be asked for its user? Its specification names none, but wants to know that it is not root,
 * or names a group, which a runtime takes only together with a user.
 */
export function needsImageUser({ security }: ContainerSpec): boolean {
  return security.runAsUser === undefined && (security.nonRoot || security.runAsGroup !== undefined);
}

/** An image that names no user means root. Throws `E_REFUSED` for a container that must not run as its image's user. */
export function imageUserOf(found: Decoded<typeof image> | undefined, spec: ContainerSpec): ImageUser {
  const name = found?.username ?? "";
  const uid = found?.uid?.value ?? (name === "" ? 0 : undefined);
  if (!spec.security.nonRoot) return { uid, name };
  if (uid === 0) throw new HubError("E_REFUSED", "container has runAsNonRoot and image will run as root");
  if (uid === undefined) {
    const text = `container has runAsNonRoot and image has non-numeric user (${name.slice(0, 64)}), cannot verify user is non-root`;
    throw new HubError("E_REFUSED", text);
  }
  return { uid, name: "" };
}
