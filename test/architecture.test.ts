import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

/**
 * Who may import whom: docs/architecture.md §2 as data. `files` names npm packages and the files that may import
 * them; everything else is refused.
 */
const rules: Record<string, { folders: readonly string[]; packages: Readonly<Record<string, RegExp>> }> = {
  protocol: { folders: [], packages: { "protobufjs/minimal.js": /(packed|control|short)-codec\.ts$/ } },
  platform: {
    folders: ["protocol"],
    packages: {
      "better-sqlite3": /sqlite\.ts$/,
      pino: /logger\.ts$/,
      yaml: /config\.ts$/,
      "@peculiar/x509": /x509\.ts$/,
    },
  },
  kubernetes: { folders: [], packages: { re2js: /schema\/pattern\.ts$/ } },
  transport: {
    folders: ["protocol", "platform"],
    packages: {
      ws: /websocket(-listener)?\.ts$/,
      "@currentspace/http3": /quic-package\.ts$/,
      "@fails-components/webtransport": /webtransport-package\.ts$/,
    },
  },
  cloudhub: {
    folders: ["protocol", "platform", "transport", "kubernetes"],
    packages: {
      fastify: /(http|join)\/[\w-]+\.ts$/,
      jose: /(join\/|api\/service-account-)tokens\.ts$/,
      yaml: /api\/request-body\.ts$/,
      "prom-client": /(metrics|http\/api-server)\.ts$/,
    },
  },
  edgehub: {
    folders: ["protocol", "platform", "transport", "kubernetes"],
    packages: {
      yaml: /inspect\/output\.ts$/,
      "protobufjs/minimal.js": /edged\/cri\/protobuf\.ts$/,
      aedes: /eventbus\/embedded-broker\.ts$/,
      mqtt: /(eventbus\/external-session|inspect\/checks\/broker)\.ts$/,
      "mqtt-packet": /eventbus\/embedded-broker\.ts$/,
      ws: /eventbus\/mqtt-listener\.ts$/,
    },
  },
  sdk: { folders: ["protocol", "platform", "transport", "kubernetes"], packages: {} },
  controllers: {
    folders: ["sdk", "protocol", "platform", "kubernetes"],
    packages: { fastify: /router\/rest-server\.ts$/ },
  },
  testbed: { folders: ["sdk", "edgehub", "protocol", "platform", "transport"], packages: {} },
  cli: { folders: ["sdk", "platform", "testbed"], packages: { commander: /^cli\//, yaml: /^cli\// } },
};

/** Programs put together what does not know of each other. */
const programs: Readonly<Record<string, readonly string[]>> = { "cloudhub/program.ts": ["controllers"] };
/**
 * Folders that are a shelf of independent tools, by who takes from them: each file is a door of its own, and index.ts,
 * which would load all of them, is none.
 */
const shelves: Readonly<Record<string, readonly string[]>> = {
  platform: Object.keys(rules),
  kubernetes: ["edgehub"],
  testbed: ["cli"],
};
/** What the agent may load of `kubernetes/`, source bytes: schemas and validation have no place on a node. */
const agentsShare = 60_000;
/** These run with everything there is. */
const free = new Set(["test", "bench", "examples"]);
/** Files of pure decisions: no clock, no random source, no timer, no file, no socket. */
const pure = [
  /^protocol\//,
  /^kubernetes\//,
  /^cloudhub\/(requests|link-table)\.ts$/,
  /^cloudhub\/api\/(admin-kubeconfig|cluster-roles|definitions|deletion|event-versions|negotiation|object-lifecycle|patching|presentation|protobuf|protobuf-messages|rbac|representation|request-info|scale|user)\.ts$/,
  /^edgehub\/devicetwin\/(attributes|device|documents|read-json|requests|states|topics|twin|upstream|values)\.ts$/,
  /^edgehub\/edged\/(plan|crash-backoff|admission|pod|pod-spec|pod-status|environment|volume|volume-files|probe|garbage|node-status|cloud-answer|quantity|fields)\.ts$/,
  /^edgehub\/metaserver\/(api-path|application|change-log|discovery|kinds|objects|openapi|reported|representation|status|verb-options)\.ts$/,
  /^edgehub\/servicebus\/http-message\.ts$/,
  /^edgehub\/eventbus\/(topics|payload|broker-url|packet-gauge|retained-limit)\.ts$/,
];

const root = resolve(import.meta.dirname, "..");

function sources(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) return sources(path);
    return name.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  const found = text.matchAll(
    /^(?:import|export)[^"';]*?from "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function problemsOf(file: string): string[] {
  const folder = file.split("/")[0] as string;
  const rule = rules[folder];
  if (rule === undefined) return free.has(folder) ? [] : [`${file}: its folder has no rule`];
  return importsOf(file).flatMap((wanted) => {
    if (wanted.startsWith("node:"))
      return folder === "protocol" ? [`${file}: protocol/ imports no ${wanted}`] : [];
    if (!wanted.startsWith(".")) {
      return rule.packages[wanted]?.test(file) ? [] : [`${file}: may not import the package ${wanted}`];
    }
    const target = relative(root, resolve(root, dirname(file), wanted));
    const targetFolder = target.split("/")[0] as string;
    if (targetFolder === folder) return [];
    const allowed = [...rule.folders, ...(programs[file] ?? [])];
    if (!allowed.includes(targetFolder)) return [`${file}: may not import ${targetFolder}/`];
    const isShelf = shelves[targetFolder]?.includes(folder) === true;
    if (isShelf !== (target === `${targetFolder}/index.ts`)) return [];
    return [
      `${file}: imports ${target}; ${isShelf ? "of a shelf, single files are doors" : "across folders only index.ts is a door"}`,
    ];
  });
}

/** The files of a folder that these load, themselves or through each other; what is imported as types is not loaded. */
function loadedFrom(folder: string, files: readonly string[]): Set<string> {
  const loaded = new Set<string>();
  const look = (file: string): void => {
    const text = readFileSync(join(root, file), "utf8");
    for (const [, wanted = ""] of text.matchAll(/^(?:import|export) (?!type )[^"';]*?from "(\.[^"]+)"/gm)) {
      const target = relative(root, resolve(root, dirname(file), wanted));
      if (!target.startsWith(`${folder}/`) || loaded.has(target)) continue;
      loaded.add(target);
      look(target);
    }
  };
  files.forEach(look);
  return loaded;
}

it("lets every folder import only what the architecture allows", () => {
  expect(Object.keys(rules).flatMap(sources).flatMap(problemsOf)).toEqual([]);
});

it("keeps cloudhub/ and edgehub/ apart from each other", () => {
  expect(rules.cloudhub?.folders).not.toContain("edgehub");
  expect(rules.edgehub?.folders).not.toContain("cloudhub");
});

it("keeps what the agent loads of kubernetes/ small", () => {
  const loaded = [...loadedFrom("kubernetes", sources("edgehub"))];
  const bytes = loaded.reduce((sum, file) => sum + statSync(join(root, file)).size, 0);
  expect(loaded).toContain("kubernetes/selectors.ts");
  expect(bytes, loaded.sort().join(" ")).toBeLessThan(agentsShare);
});

it("keeps the agent's modules apart from each other", () => {
  const modules = ["metamanager", "devicetwin", "eventbus", "servicebus", "metaserver", "edged", "podlogs"];
  const folderOf = (file: string): string => file.split("/")[1] as string;
  const strangers = modules
    .flatMap((module) => sources(join("edgehub", module)))
    .flatMap((file) =>
      importsOf(file)
        .filter((wanted) => wanted.startsWith("."))
        .map((wanted) => relative(root, resolve(root, dirname(file), wanted)))
        .filter((target) => modules.includes(folderOf(target)) && folderOf(target) !== folderOf(file))
        .map((target) => `${file} imports ${target}`),
    );
  expect(strangers).toEqual([]);
});

it("keeps pure files free of clocks, random sources and timers", () => {
  const impure =
    /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|randomUUID\(|\bprocess\.[a-z])/;
  const files = ["protocol", "kubernetes", "cloudhub", "edgehub"]
    .flatMap(sources)
    .filter((file) => pure.some((pattern) => pattern.test(file)));
  expect(files.length).toBeGreaterThan(20);
  expect(files.filter((file) => impure.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});

it("keeps what comes with the module node:http out of the agent's memory", () => {
  const costly = /^import (?!type )[^;]*from "(node:)?http";/m;
  const files = ["protocol", "platform", "transport", "edgehub"].flatMap(sources);
  expect(files.filter((file) => costly.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});

it("keeps the YAML library out of the memory of programs that have no file to read", () => {
  const costly = /^import (?!type )[^;]*from "yaml";/m;
  const files = ["protocol", "platform", "transport"].flatMap(sources);
  expect(files.filter((file) => costly.test(readFileSync(join(root, file), "utf8")))).toEqual([]);
});

it("reads import lines in every form", () => {
  const text =
    'import a from "x";\nimport {\n  b,\n} from "y";\nexport * from "z";\nimport "s";\nconst d = await import("t");';
  const found = [
    ...text.matchAll(/^(?:import|export)[^"';]*?from "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm),
  ];
  expect(found.map((match) => match[1] ?? match[2] ?? match[3])).toEqual(["x", "y", "z", "s", "t"]);
});
