import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { PodContext, Problems } from "../../../edgehub/edged/environment.ts";
import type { Json } from "../../../edgehub/edged/fields.ts";
import { type Container, type Pod, parsePod } from "../../../edgehub/edged/pod.ts";
import { Volumes } from "../../../edgehub/edged/volumes.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { podOf } from "./node.ts";

function disk() {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const objects: Record<string, Json> = {};
  const context: PodContext & { token(): string } = {
    find: (kind, name) => objects[`${kind} ${name}`],
    token: () => "tok",
    isAwaited: () => false,
    nodeName: "edge-1",
    hostIp: "192.0.2.1",
    podIp: "",
    allocatable: { cpuMillis: 1, memoryBytes: 1 },
  };
  const volumes = new Volumes(path, true);
  const problems: Problems = [];
  const podWith = (volume: object, mount: object = {}): Pod =>
    parsePod(
      podOf("web", {
        volumes: [{ name: "v", ...volume }],
        containers: [{ name: "main", image: "i", volumeMounts: [{ name: "v", mountPath: "/v", ...mount }] }],
      }),
    ) as Pod;
  const prepare = (pod: Pod): string => volumes.prepare(pod, context, problems).get("v") ?? "";
  const mountOf = (pod: Pod, env: Record<string, string> = {}): string => {
    const paths = volumes.prepare(pod, context, problems);
    return (
      volumes.mounts(pod, pod.containers[0] as Container, { paths, attempt: 0, env }, problems)[0]
        ?.hostPath ?? ""
    );
  };
  const isReadOnly = (pod: Pod): boolean | undefined => {
    const place = { paths: volumes.prepare(pod, context, problems), attempt: 0, env: {} };
    return volumes.mounts(pod, pod.containers[0] as Container, place, problems)[0]?.readOnly;
  };
  return { path, objects, volumes, problems, podWith, prepare, mountOf, isReadOnly };
}

const words = (data: object): Json => ({ data });
const mode = (file: string): number => statSync(file).mode & 0o777;

describe("volumes", () => {
  it("of ConfigMaps change all their files at one moment", () => {
    const d = disk();
    d.objects["configmap cm"] = words({ a: "1", gone: "x" });
    const pod = d.podWith({ configMap: { name: "cm", defaultMode: 0o640 } });
    const directory = d.prepare(pod);
    expect(readFileSync(join(directory, "a"), "utf8")).toBe("1");
    expect(mode(join(directory, "a"))).toBe(0o640);
    expect(readlinkSync(join(directory, "a"))).toBe("..data/a");
    const before = readlinkSync(join(directory, "..data"));
    d.objects["configmap cm"] = words({ a: "2", b: "3" });
    d.prepare(pod);
    expect(readlinkSync(join(directory, "..data"))).not.toBe(before);
    expect(existsSync(join(directory, before))).toBe(false);
    expect([readFileSync(join(directory, "a"), "utf8"), readFileSync(join(directory, "b"), "utf8")]).toEqual([
      "2",
      "3",
    ]);
    expect(existsSync(join(directory, "gone"))).toBe(false);
  });

  it("that have not changed are left alone", () => {
    const d = disk();
    d.objects["configmap cm"] = words({ a: "1" });
    const pod = d.podWith({ configMap: { name: "cm" } });
    const directory = d.prepare(pod);
    const before = realpathSync(join(directory, "a"));
    d.prepare(pod);
    expect(realpathSync(join(directory, "a"))).toBe(before);
  });

  it("keep their last files when the object they came from is gone", () => {
    const d = disk();
    d.objects["configmap cm"] = words({ a: "1" });
    const pod = d.podWith({ configMap: { name: "cm" } });
    const directory = d.prepare(pod);
    delete d.objects["configmap cm"];
    d.prepare(pod);
    expect(d.problems[0]).toContain('configmap "cm" not found');
    expect(readFileSync(join(directory, "a"), "utf8")).toBe("1");
  });

  it("of which a container has mounted one file leave it as it was", () => {
    const d = disk();
    d.objects["configmap cm"] = words({ a: "1" });
    const pod = d.podWith({ configMap: { name: "cm" } }, { subPath: "a" });
    const file = d.mountOf(pod);
    d.objects["configmap cm"] = words({ a: "2" });
    d.prepare(pod);
    expect(readFileSync(file, "utf8")).toBe("1");
    expect(readFileSync(d.mountOf(pod), "utf8")).toBe("2");
  });

  it("of ConfigMaps cannot be written by containers, others can", () => {
    const d = disk();
    d.objects["configmap cm"] = words({ a: "1" });
    expect(d.isReadOnly(d.podWith({ configMap: { name: "cm" } }))).toBe(true);
    expect(d.isReadOnly(d.podWith({ configMap: { name: "cm" } }, { subPath: "a" }))).toBe(true);
    expect(d.isReadOnly(d.podWith({ emptyDir: {} }))).toBe(false);
    expect(d.isReadOnly(d.podWith({ emptyDir: {} }, { readOnly: true }))).toBe(true);
  });

  it("of ConfigMaps have folders for what is mounted inside them, and links that a kill kept from them", () => {
    const d = disk();
    d.objects["configmap cm"] = words({ a: "1" });
    const pod = parsePod(
      podOf("web", {
        volumes: [
          { name: "v", configMap: { name: "cm" } },
          { name: "w", emptyDir: {} },
        ],
        containers: [
          {
            name: "main",
            image: "i",
            volumeMounts: [
              { name: "v", mountPath: "/v" },
              { name: "w", mountPath: "/v/inner/most" },
              { name: "w", mountPath: "/vw" },
            ],
          },
        ],
      }),
    ) as Pod;
    const directory = d.prepare(pod);
    const seen = (): string[] => readdirSync(directory).filter((name) => !name.startsWith(".."));
    expect(seen()).toEqual(["a", "inner"]);
    expect(existsSync(join(directory, "inner/most"))).toBe(true);
    unlinkSync(join(directory, "a"));
    d.prepare(pod);
    expect(readFileSync(join(directory, "a"), "utf8")).toBe("1");
    d.objects["configmap cm"] = words({ b: "2" });
    d.prepare(pod);
    expect(seen()).toEqual(["b", "inner"]);
  });

  it("whose links were turned elsewhere touch nothing outside", () => {
    const d = disk();
    d.objects["configmap cm"] = words({ a: "1" });
    const pod = d.podWith({ configMap: { name: "cm" } });
    const directory = d.prepare(pod);
    const precious = join(d.path, "precious");
    mkdirSync(precious);
    unlinkSync(join(directory, "..data"));
    symlinkSync("../../../../precious", join(directory, "..data"));
    d.objects["configmap cm"] = words({ a: "2" });
    d.prepare(pod);
    expect(existsSync(precious)).toBe(true);
    expect(readFileSync(join(directory, "a"), "utf8")).toBe("2");
  });

  it("have folders for subPaths that whoever may use the volume may use, and make none outside", () => {
    const d = disk();
    const pod = d.podWith({ emptyDir: {} }, { subPathExpr: "$(WHO)" });
    expect(mode(d.mountOf(pod, { WHO: "a/b" }))).toBe(0o777);
    expect(mode(join(d.mountOf(pod, { WHO: "a" })))).toBe(0o777);
    mkdirSync(join(d.path, "outside"));
    symlinkSync(join(d.path, "outside"), join(d.volumes.directory(pod.uid), "volumes/v/trap"));
    d.mountOf(pod, { WHO: "trap/new" });
    expect(d.problems[0]).toContain("leads out of its volume");
    expect(existsSync(join(d.path, "outside/new"))).toBe(false);
  });

  it("mount what their subPath names, from the environment too, and never what lies outside", () => {
    const d = disk();
    const pod = d.podWith({ emptyDir: {} }, { subPathExpr: "$(WHO)" });
    expect(d.mountOf(pod, { WHO: "me" })).toBe(join(d.volumes.directory(pod.uid), "volumes/v/me"));
    d.mountOf(pod, { WHO: "../../.." });
    expect(d.problems).toHaveLength(1);
    symlinkSync("/etc", join(d.volumes.directory(pod.uid), "volumes/v/trap"));
    d.mountOf(pod, { WHO: "trap" });
    expect(d.problems[1]).toContain("leads out of its volume");
  });

  it("of the host are taken as they are, if they are what they should be", () => {
    const d = disk();
    const place = join(d.path, "there");
    expect(d.prepare(d.podWith({ hostPath: { path: place, type: "Directory" } }))).toBe(place);
    expect(d.problems.splice(0)[0]).toContain("is not a Directory");
    d.prepare(d.podWith({ hostPath: { path: place, type: "DirectoryOrCreate" } }));
    expect(statSync(place).isDirectory()).toBe(true);
    d.prepare(d.podWith({ hostPath: { path: place, type: "File" } }));
    expect(d.problems.splice(0)[0]).toContain("is not a File");
    d.prepare(d.podWith({ hostPath: { path: "relative" } }));
    expect(d.problems[0]).toContain("must be absolute");
  });

  it("of a type that is not known say so", () => {
    const d = disk();
    d.prepare(d.podWith({ nfs: { server: "s" } }));
    expect(d.problems).toEqual(['volume "v": volumes of type nfs are not supported']);
  });

  it("that cannot be made say why", () => {
    const d = disk();
    const pod = d.podWith({ emptyDir: {} });
    mkdirSync(join(d.path, "pods"));
    writeFileSync(d.volumes.directory(pod.uid), "in the way");
    expect(() => d.prepare(pod)).toThrow(expect.objectContaining({ code: "E_STORAGE" }));
  });

  it("go with their pod", async () => {
    const d = disk();
    const pod = d.podWith({ emptyDir: {} });
    writeFileSync(join(d.prepare(pod), "file"), "x");
    expect(d.volumes.uids()).toEqual([pod.uid]);
    await d.volumes.remove(pod.uid);
    expect(d.volumes.uids()).toEqual([]);
  });

  it("go alone: what a container has mounted in them stays whole", async ({ skip }) => {
    const d = disk();
    const pod = d.podWith({ emptyDir: {} });
    const inner = join(d.prepare(pod), "in ner");
    const precious = join(d.path, "precious");
    for (const folder of [inner, precious]) mkdirSync(folder);
    writeFileSync(join(precious, "file"), "x");
    if (spawnSync("mount", ["--bind", precious, inner]).status !== 0) skip("no right to mount");
    await d.volumes.remove(pod.uid);
    expect(existsSync(inner)).toBe(false);
    expect(existsSync(join(precious, "file"))).toBe(true);
  });

  it("are seen by nobody else on the node", () => {
    const d = disk();
    d.prepare(d.podWith({ emptyDir: {} }));
    expect(mode(join(d.path, "pods")) & 0o007).toBe(0);
  });

  it("in memory hold what they may, and go with their pod", async ({ skip }) => {
    const d = disk();
    const pod = d.podWith({ emptyDir: { medium: "Memory", sizeLimit: "1Mi" } });
    const directory = d.prepare(pod);
    if (d.problems.length > 0) {
      expect(d.problems[0]).toMatch(/needs an agent that runs as root|mount failed/);
      skip("no right to mount");
    }
    writeFileSync(join(directory, "small"), "x");
    expect(() => writeFileSync(join(directory, "large"), Buffer.alloc(2 << 20))).toThrow("ENOSPC");
    expect(d.prepare(pod)).toBe(directory);
    expect(existsSync(join(directory, "small"))).toBe(true);
    expect(statSync(directory).mode & 0o777).toBe(0o777);
    await d.volumes.remove(pod.uid);
    expect(existsSync(directory)).toBe(false);
  });

  it("of a medium that is not known say so", () => {
    const d = disk();
    const pod = d.podWith({ emptyDir: { medium: "HugePages" } });
    d.prepare(pod);
    d.prepare(pod);
    const problem = 'volume "v": emptyDir.medium HugePages is not supported';
    expect(d.problems).toEqual([problem, problem]);
  });
});

it("last words are the last 4096 bytes, however much was written", () => {
  const d = disk();
  const pod = d.podWith({ emptyDir: {} });
  d.mountOf(pod);
  const file = d.volumes.messageFile(pod.uid, "main", 0);
  truncateSync(file, 2 ** 34);
  appendFileSync(file, "the end");
  const words = d.volumes.terminationMessage(pod.uid, "main", 0);
  expect([words.length, words.slice(-7)]).toEqual([4_096, "the end"]);
});

describe.runIf(process.getuid?.() === 0)("with an fsGroup, volumes", () => {
  const grouped = (pod: Pod): Pod => ({ ...pod, security: { fsGroup: 2_345 } });
  const rights = (file: string): [number, number] => [statSync(file).gid, statSync(file).mode & 0o7777];

  it("of the pod's own belong to the group from their beginning, and are not touched again", () => {
    const d = disk();
    const pod = grouped(d.podWith({ emptyDir: {} }));
    const directory = d.prepare(pod);
    expect(rights(directory)).toEqual([2_345, 0o2777]);
    writeFileSync(join(directory, "file"), "x", { mode: 0o600 });
    d.prepare(pod);
    expect(statSync(join(directory, "file")).mode & 0o777).toBe(0o600);
  });

  it("of Secrets can be read by the group, and are the same until they change", () => {
    const d = disk();
    d.objects["secret s"] = { data: { key: "eA==" } };
    const pod = grouped(d.podWith({ secret: { secretName: "s", defaultMode: 0o400 } }));
    const directory = d.prepare(pod);
    expect(rights(join(directory, "key"))).toEqual([2_345, 0o440]);
    expect(rights(join(directory, "..data/"))).toEqual([2_345, 0o2755]);
    const before = readlinkSync(join(directory, "..data"));
    d.prepare(pod);
    expect(readlinkSync(join(directory, "..data"))).toBe(before);
  });

  it("of the node stay as they are", () => {
    const d = disk();
    const place = join(d.path, "there");
    mkdirSync(place, { mode: 0o755 });
    d.prepare(grouped(d.podWith({ hostPath: { path: place } })));
    expect(rights(place)).toEqual([0, 0o755]);
  });
});
