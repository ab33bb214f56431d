import type { OwnerReference } from "../../kubernetes/index.ts";

type KindOfOwner = Pick<OwnerReference, "apiVersion" | "kind">;

/** Objects whose owners are of kinds that nobody has defined yet. */
export class UnknownOwners {
  readonly #byKind = new Map<string, { readonly kind: KindOfOwner; readonly dependents: Set<string> }>();
  readonly #kindsOf = new Map<string, Set<string>>();

  /** An owner of this object is of a kind that is not known. */
  add(dependent: string, { apiVersion, kind }: KindOfOwner): void {
    const name = `${apiVersion} ${kind}`;
    const found = this.#byKind.get(name) ?? { kind: { apiVersion, kind }, dependents: new Set() };
    this.#byKind.set(name, found);
    found.dependents.add(dependent);
    this.#kindsOf.set(dependent, (this.#kindsOf.get(dependent) ?? new Set()).add(name));
  }

  /** The object is gone, or is looked at again. */
  forget(dependent: string): void {
    for (const name of this.#kindsOf.get(dependent) ?? []) {
      const found = this.#byKind.get(name);
      found?.dependents.delete(dependent);
      if (found?.dependents.size === 0) this.#byKind.delete(name);
    }
    this.#kindsOf.delete(dependent);
  }

  /** Objects that have an owner of a kind that is known by now. */
  of(isKnown: (kind: KindOfOwner) => boolean): string[] {
    return [...this.#byKind.values()].flatMap(({ kind, dependents }) =>
      isKnown(kind) ? [...dependents] : [],
    );
  }
}
