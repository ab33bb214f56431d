import { type Json, objectOf, objectsOf, optionalWhole, textOf, wholeOf } from "./fields.ts";
import { bytesOf } from "./quantity.ts";

/** What a volume of a pod is made of. Pure. */
export type Volume = { readonly name: string } & (
  | { readonly kind: "emptyDir"; readonly medium: string; readonly sizeLimitBytes: number | undefined }
  | { readonly kind: "hostPath"; readonly path: string; readonly type: string }
  | { readonly kind: "files"; readonly sources: readonly FileSource[]; readonly defaultMode: number }
  | { readonly kind: "unsupported"; readonly type: string }
);

/** Where the files of a configMap, secret, downwardAPI or projected volume come from. */
export type FileSource =
  | {
      readonly kind: "configMap" | "secret";
      readonly name: string;
      readonly optional: boolean;
      /** Keys and where they go; `undefined`: all of them, each under its name. */
      readonly items: readonly FileItem[] | undefined;
    }
  | { readonly kind: "downwardAPI"; readonly items: readonly DownwardItem[] }
  | {
      readonly kind: "token";
      readonly path: string;
      readonly audience: string;
      readonly expirationSeconds: number;
    };

export interface FileItem {
  readonly key: string;
  readonly path: string;
  readonly mode: number | undefined;
}

export interface DownwardItem {
  readonly path: string;
  readonly mode: number | undefined;
  readonly fieldRef: Json | undefined;
  readonly resourceFieldRef: Json | undefined;
}

export function volumesOf(value: unknown): readonly Volume[] {
  return objectsOf(value).map(volumeOf);
}

/** True for a relative path that stays below its directory. */
export function staysInside(path: string): boolean {
  return path !== "" && path.length <= 1_024 && !path.startsWith("/") && !path.split("/").includes("..");
}

function volumeOf(object: Json): Volume {
  const name = textOf(object.name);
  if (object.hostPath) {
    const { path, type } = objectOf(object.hostPath);
    return { name, kind: "hostPath", path: textOf(path), type: textOf(type) };
  }
  if (object.configMap)
    return files(name, objectOf(object.configMap), [configMapOf(objectOf(object.configMap))]);
  if (object.secret) return files(name, objectOf(object.secret), [secretOf(objectOf(object.secret))]);
  if (object.downwardAPI)
    return files(name, objectOf(object.downwardAPI), [downwardOf(objectOf(object.downwardAPI))]);
  if (object.projected) {
    const projected = objectOf(object.projected);
    return files(name, projected, objectsOf(projected.sources).flatMap(projectedOf));
  }
  const type = Object.keys(object).find((key) => key !== "name" && object[key]) ?? "emptyDir";
  if (type !== "emptyDir") return { name, kind: "unsupported", type };
  const { medium, sizeLimit } = objectOf(object.emptyDir);
  return { name, kind: "emptyDir", medium: textOf(medium), sizeLimitBytes: bytesOf(sizeLimit) };
}

function files(name: string, object: Json, sources: readonly FileSource[]): Volume {
  return { name, kind: "files", sources, defaultMode: wholeOf(object.defaultMode, 0o644) & 0o777 };
}

function projectedOf(source: Json): FileSource[] {
  if (source.configMap) return [configMapOf(objectOf(source.configMap))];
  if (source.secret) {
    const secret = objectOf(source.secret);
    return [secretOf({ ...secret, secretName: secret.name })];
  }
  if (source.downwardAPI) return [downwardOf(objectOf(source.downwardAPI))];
  if (!source.serviceAccountToken) return [];
  const { path, audience, expirationSeconds } = objectOf(source.serviceAccountToken);
  const seconds = wholeOf(expirationSeconds, 3_600, 600);
  return [{ kind: "token", path: textOf(path), audience: textOf(audience), expirationSeconds: seconds }];
}

function configMapOf(object: Json): FileSource {
  return {
    kind: "configMap",
    name: textOf(object.name),
    optional: object.optional === true,
    items: itemsOf(object),
  };
}

function secretOf(object: Json): FileSource {
  return {
    kind: "secret",
    name: textOf(object.secretName),
    optional: object.optional === true,
    items: itemsOf(object),
  };
}

function itemsOf({ items }: Json): readonly FileItem[] | undefined {
  if (!Array.isArray(items) || items.length === 0) return undefined;
  return objectsOf(items).map((item) => ({
    key: textOf(item.key),
    path: textOf(item.path),
    mode: optionalWhole(item.mode),
  }));
}

function downwardOf(object: Json): FileSource {
  const items = objectsOf(object.items).map((item) => ({
    path: textOf(item.path),
    mode: optionalWhole(item.mode),
    fieldRef: item.fieldRef ? objectOf(item.fieldRef) : undefined,
    resourceFieldRef: item.resourceFieldRef ? objectOf(item.resourceFieldRef) : undefined,
  }));
  return { kind: "downwardAPI", items };
}
