import type { ContainerStatus, ListedContainer } from "./pod-status.ts";

/** A container that has just ended is looked at once more: that it ran out of memory may become known a moment later. */
const looksAtEnd = 2;

/**
 * Remembers what the runtime said about containers: it is asked again only about one whose state has changed since,
 * not about each one at every look.
 */
export class ContainerStatuses {
  #known = new Map<string, { status: ContainerStatus; looks: number }>();

  /** What is known of a listed container; `undefined`: the runtime must be asked. */
  find(listed: ListedContainer): ContainerStatus | undefined {
    const known = this.#known.get(listed.id);
    if (known === undefined || known.status.state !== listed.state) return undefined;
    if (listed.state === "exited" && known.looks < looksAtEnd) return undefined;
    return known.status;
  }

  keep(status: ContainerStatus): void {
    const known = this.#known.get(status.id);
    const looks = known?.status.state === status.state ? known.looks + 1 : 1;
    this.#known.set(status.id, { status, looks });
  }

  /** Forgets all containers that are not listed any more. */
  retain(listed: readonly ListedContainer[]): void {
    const ids = new Set(listed.map((one) => one.id));
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
  }
}
