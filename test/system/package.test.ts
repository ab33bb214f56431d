import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { Program, temporaryDirectory, until } from "../support/processes.ts";

/** The package as others get it: packed, installed in an empty folder, used from there. */
const root = resolve(import.meta.dirname, "../..");
const { path: directory, remove } = temporaryDirectory();
/** Whoever uses the package. */
const project = join(directory, "project");
const installed = join(project, "node_modules/cloud-edge-hub");
/** Installed programs look for `node` as a shell does. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(program: string, args: readonly string[], cwd = project): Promise<Result> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, { cwd, env });
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

/** Runs an installed program as its user does. */
const bin = (name: string, ...args: string[]): Promise<Result> =>
  run(join(project, "node_modules/.bin", name), args);

async function npm(args: readonly string[], cwd: string): Promise<void> {
  const { code, out, err } = await run("npm", args, cwd);
  if (code !== 0) throw new Error(`npm ${args.join(" ")} ended with ${code}:\n${out}${err}`);
}

function filesIn(folder: string): string[] {
  return globSync("**", { cwd: folder, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => relative(folder, join(one.parentPath, one.name)));
}

const manifest = (): Record<string, unknown> =>
  JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));

beforeAll(async () => {
  // What an earlier build may have left.
  mkdirSync(join(root, "dist/sdk"), { recursive: true });
  writeFileSync(join(root, "dist/sdk/left-over.js"), "");
  await npm(["pack", "--pack-destination", directory], root);
  const [tarball = "none"] = globSync("*.tgz", { cwd: directory });
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund"];
  await npm(["install", ...quiet, join(directory, tarball)], project);
}, 300_000);
afterAll(remove);

it("holds the programs, the documents and the example manifests, and nothing else", () => {
  const files = filesIn(installed);
  const known = /^(dist|docs|examples\/manifests)\//;
  expect(files.filter((file) => !known.test(file)).sort()).toEqual([
    "CHANGELOG.md",
    "LICENSE",
    "NOTICE",
    "README.md",
    "package.json",
  ]);
  expect(files).toContain("docs/architecture.md");
  expect(files).toContain("examples/manifests/configmap-line-limits.yaml");
  const folders = "protocol platform transport kubernetes cloudhub edgehub sdk controllers cli testbed".split(
    " ",
  );
  const sources = folders
    .flatMap((folder) => filesIn(join(root, folder)).map((file) => `dist/${folder}/${file}`))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -3));
  const compiled = sources.flatMap((file) => [`${file}.js`, `${file}.js.map`, `${file}.d.ts`]);
  expect(files.filter((file) => file.startsWith("dist/")).sort()).toEqual(compiled.sort());
});

it("explains its types, and keeps comments out of the programs' memory", () => {
  const comments = (file: string): boolean =>
    /^ *\/\*\*/m.test(readFileSync(join(installed, "dist", file), "utf8"));
  expect(comments("sdk/hub-client.d.ts")).toBe(true);
  const programs = filesIn(join(installed, "dist")).filter((file) => file.endsWith(".js"));
  expect(programs.filter(comments)).toEqual([]);
});

it("installs without compiling, and without what only this repository needs", () => {
  expect(existsSync(join(project, "node_modules/better-sqlite3/build"))).toBe(false);
  const { dependencies, scripts } = manifest() as Record<string, Record<string, string>>;
  expect(Object.keys(scripts ?? {})).not.toContainEqual(expect.stringMatching(/install$|^prepare$/));
  expect(Object.keys(dependencies ?? {}).filter((name) => /^(@cloud-edge-hub|node-)/.test(name))).toEqual([]);
  const lock: { packages: object } = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8"));
  const unwanted = /node_modules\/(@cloud-edge-hub|node-(bin-)?(linux|darwin)|vitest|typescript)\b/;
  expect(Object.keys(lock.packages).filter((path) => unwanted.test(path))).toEqual([]);
});

it.each(["cloudhub", "edgehub", "hubctl"])("brings the program %s, which explains itself", async (name) => {
  const { version } = manifest();
  const help = await bin(name, "--help");
  expect(help).toMatchObject({ code: 0, err: "" });
  expect(help.out).toMatch(new RegExp(`\\b${name}\\b`));
  expect(await bin(name, "--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
});

it.each(["cloudhub", "edgehub"])("prints a configuration that %s reads", async (name) => {
  const { code, out, err } = await bin(name, "--defaultconfig");
  expect([code, err]).toEqual([0, ""]);
  const file = join(directory, `${name}.yaml`);
  writeFileSync(file, out.replace(/^logLevel: .*$/m, "logLevel: loud"));
  // All that is wrong with it is what was made wrong here.
  expect(await bin(name, "--config", file)).toMatchObject({
    code: 78,
    err: expect.stringMatching(/logLevel/),
  });
});

/** @returns The option that makes a program believe it runs on another Node.js. */
function pretending(node: string, napi: string): string {
  const file = join(directory, `node-${node}.cjs`);
  writeFileSync(
    file,
    `const versions = { ...process.versions, node: "${node}", napi: "${napi}" };
    Object.defineProperty(process, "versions", { value: versions });
    Object.defineProperty(process, "version", { value: "v${node}" });`,
  );
  return `--require=${file}`;
}

it("refuses an old Node.js in one sentence", async () => {
  for (const [name, path] of Object.entries(manifest().bin as Record<string, string>)) {
    const { code, out, err } = await run(process.execPath, [
      pretending("20.19.0", "9"),
      join(installed, path),
    ]);
    expect([name, code, out]).toEqual([name, 78, ""]);
    expect(err).toMatch(new RegExp(`^${name}.* needs Node.js 22.14 or later, this is v20.19.0.*\n$`));
    // An old one must get as far as the check: what it cannot read is loaded after it.
    expect(readFileSync(join(installed, path), "utf8")).not.toMatch(/^import\b/m);
  }
});

it("refuses a Node.js in which the database would end the process", async () => {
  const old = pretending("22.13.1", "9");
  for (const name of ["cloudhub", "edgehub"]) {
    const program = join(installed, "dist", name, "main.js");
    const { code, err } = await run(process.execPath, [old, program, "--dataDir", join(directory, "unused")]);
    expect([code, err]).toEqual([
      78,
      expect.stringMatching(/needs Node.js 22.14 or later, this is v22.13.1/),
    ]);
  }
});

it("can be imported at every door it names, and at no other", async () => {
  const doors = Object.keys(manifest().exports as object).filter((door) => !door.endsWith(".json"));
  expect(doors).toEqual(["./protocol", "./sdk", "./cloudhub", "./edgehub"]);
  const script = `
    const names = {};
    for (const door of ${JSON.stringify(doors)}) names[door] = Object.keys(await import("cloud-edge-hub" + door.slice(1)));
    const { default: { version } } = await import("cloud-edge-hub/package.json", { with: { type: "json" } });
    const inner = await import("cloud-edge-hub/dist/sdk/index.js").catch((error) => error.code);
    console.log(JSON.stringify({ names, version, inner }));`;
  const { code, out, err } = await run(process.execPath, ["--input-type=module", "--eval", script]);
  expect([code, err]).toEqual([0, ""]);
  expect(JSON.parse(out)).toEqual({
    names: {
      "./protocol": expect.arrayContaining(["HubError", "errorTable"]),
      "./sdk": expect.arrayContaining(["connectHub", "HubError"]),
      "./cloudhub": expect.arrayContaining(["startHub", "hubSchema"]),
      "./edgehub": expect.arrayContaining(["startEdge", "edgeSchema"]),
    },
    version: manifest().version,
    inner: "ERR_PACKAGE_PATH_NOT_EXPORTED",
  });
});

/** A program in TypeScript that uses the SDK, written as the documentation shows it. */
const consumer = `
import { readFileSync } from "node:fs";
import { connectHub, HubError, type LedgerEntry } from "cloud-edge-hub/sdk";

const [, , file = "", node = ""] = process.argv;
const hub = await connectHub(JSON.parse(readFileSync(file, "utf8")));
try {
  const { id, version } = await hub.publish(
    { node, resource: "default/configmap/limits", operation: "update", resourceVersion: "7",
      content: { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "limits" }, data: { max: "7" } } },
    { until: "acked" },
  );
  const entry: LedgerEntry | undefined = (await hub.where({ node })).find((one) => one.id === id);
  const refused = await hub.publish({ node: "nobody", resource: "default/configmap/limits", operation: "update" })
    .catch((error: unknown) => (error instanceof HubError ? error.code : undefined));
  console.log(JSON.stringify({ version, sends: entry?.sends, refused }));
} finally {
  await hub.close();
}
`;

it("brings the types of the packages that its own types name", () => {
  const text = globSync("dist/**/*.d.ts", { cwd: installed })
    .map((file) => readFileSync(join(installed, file), "utf8"))
    .join("\n");
  const named = new Set(
    [...text.matchAll(/ from "(?!node:)((?:@[\w-]+\/)?[\w-]+)/g)].map((match) => match[1] as string),
  );
  const typed = [...named].filter((name) => existsSync(join(root, "node_modules/@types", name)));
  expect(typed.sort()).toEqual(["better-sqlite3", "ws"]);
  const { dependencies } = manifest() as { dependencies: Record<string, string> };
  expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(typed.map((name) => `@types/${name}`)));
});

it("gives TypeScript programs complete types", async () => {
  writeFileSync(join(project, "consumer.ts"), consumer);
  const doors = ["protocol", "sdk", "cloudhub", "edgehub"];
  const uses = doors.map((door) => `export * as ${door} from "cloud-edge-hub/${door}";\n`).join("");
  writeFileSync(join(project, "doors.ts"), uses);
  const compilerOptions = {
    target: "es2023",
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    typeRoots: [join(root, "node_modules/@types")],
    types: ["node"],
  };
  const files = ["consumer.ts", "doors.ts"];
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  expect(await run(process.execPath, [compiler, "-p", "."])).toEqual({ code: 0, out: "", err: "" });
});

/** Starts an installed program; it ends with the test. */
function start(name: string, flags: Readonly<Record<string, string | number>>): Program {
  const script = relative(root, join(project, "node_modules/.bin", name));
  const program = new Program(
    script,
    Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`),
  );
  onTestFinished(async () => void (await program.kill()));
  return program;
}

it("carries a message from a program of its user to a node, and tells where it is", async () => {
  const host = "127.0.0.1";
  const hub = start("cloudhub", {
    dataDir: join(directory, "hub"),
    "nodes.host": host,
    "nodes.port": 0,
    "join.host": host,
    "join.port": 0,
    "api.port": 0,
  });
  const ports = await hub.logged("hub started");
  const config = join(directory, "hub/admin.json");
  const hubctl = async (...args: string[]): Promise<unknown> => {
    const { code, out, err } = await bin("hubctl", "--config", config, "-o", "json", ...args);
    expect([code, err]).toEqual([0, ""]);
    return JSON.parse(out);
  };
  const { token } = (await hubctl("token", "create", "--node", "edge-1")) as { token: string };
  const edge = start("edgehub", {
    node: "edge-1",
    dataDir: join(directory, "edge"),
    "hub.server": `wss://${host}:${ports.nodes}`,
    "hub.join": `https://${host}:${ports.join}`,
    "hub.token": token,
  });
  await edge.logged("connected");
  await until("the hub shows the node", async () => {
    const [node] = (await hubctl("nodes", "list")) as { connected: boolean }[];
    return node?.connected === true;
  });
  writeFileSync(join(project, "consumer.ts"), consumer);
  const { code, out, err } = await run(process.execPath, ["consumer.ts", config, "edge-1"]);
  expect([code, err]).toEqual([0, ""]);
  expect(JSON.parse(out)).toEqual({ version: "7", sends: 1, refused: "E_UNKNOWN_NODE" });
  expect(await hubctl("get", "edge-1")).toMatchObject([{ resource: "default/configmap/limits" }]);
  expect([await edge.kill("SIGTERM"), await hub.kill("SIGTERM")]).toEqual([0, 0]);
});
