/** The parts of a container image's name: `registry/repository:tag` or `…@digest`. Pure. */
export interface Image {
  /** With its port; empty: the default one. */
  readonly registry: string;
  readonly repository: string;
  /** With `:` or `@` in front; empty: none. */
  readonly version: string;
}

export type ImagePart = "Registry" | "Repository" | "Tag";

export function parseImage(text: string): Image {
  const at = text.indexOf("@");
  const colon = text.lastIndexOf(":");
  const end = at >= 0 ? at : colon > text.lastIndexOf("/") ? colon : text.length;
  const name = text.slice(0, end);
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  // As container runtimes tell a host from the first part of a path.
  const hasRegistry = first.includes(".") || first.includes(":") || first === "localhost";
  return {
    registry: hasRegistry ? first : "",
    repository: hasRegistry ? name.slice(slash + 1) : name,
    version: text.slice(end),
  };
}

export function formatImage({ registry, repository, version }: Image): string {
  return `${registry === "" ? "" : `${registry}/`}${repository}${version}`;
}

/** @param value Empty removes the part. */
export function withPart(image: Image, part: ImagePart, value: string): Image {
  switch (part) {
    case "Registry":
      return { ...image, registry: value };
    case "Repository":
      return { ...image, repository: value };
    case "Tag":
      return { ...image, version: value === "" ? "" : `${value.includes(":") ? "@" : ":"}${value}` };
    default:
      return part satisfies never;
  }
}

export function partOf(image: Image, part: ImagePart): string {
  switch (part) {
    case "Registry":
      return image.registry;
    case "Repository":
      return image.repository;
    case "Tag":
      return image.version.slice(1);
    default:
      return part satisfies never;
  }
}
