import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { hubSchema } from "../../cloudhub/options.ts";
import { edgeSchema } from "../../edgehub/options.ts";
import {
  choice,
  describeFlags,
  flag,
  loadOptions,
  parseFlags,
  printConfig,
  section,
  text,
  texts,
  whole,
  words,
} from "../../platform/config.ts";
import { temporaryDirectory } from "../support/processes.ts";

const schema = section("A test's configuration", {
  name: text("nobody", { description: "Who", minimal: true }),
  level: choice("info", ["debug", "info"] as const, { description: "How much" }),
  server: section("Where", {
    port: whole(80, 1, 65_535, { description: "Port", minimal: true }),
    secure: flag(true, { description: "With TLS" }),
    names: texts({ description: "Names" }),
    labels: words({ description: "Labels" }),
    token: text("", { description: "Secret", secret: true }),
  }),
});

function file(content: string): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const name = join(path, "config.yaml");
  writeFileSync(name, content);
  return name;
}

describe("reading", () => {
  it("has a default for every field", () => {
    expect(loadOptions(schema, "T", {})).toEqual({
      name: "nobody",
      level: "info",
      server: { port: 80, secure: true, names: [], labels: {}, token: "" },
    });
  });

  it("takes the file, then the environment, then flags, the later one winning", () => {
    const sources = {
      file: file("name: file\nlevel: debug\nserver:\n  port: 1\n"),
      environment: { T_NAME: "environment", T_SERVER_PORT: "2" },
      flags: { "server.port": "3" },
    };
    expect(loadOptions(schema, "T", sources)).toMatchObject({
      name: "environment",
      level: "debug",
      server: { port: 3 },
    });
  });

  it("reads lists and maps from one text", () => {
    const environment = {
      T_SERVER_NAMES: "a, b",
      T_SERVER_LABELS: "site=x,floor=2",
      T_SERVER_SECURE: "false",
    };
    expect(loadOptions(schema, "T", { environment }).server).toMatchObject({
      names: ["a", "b"],
      labels: { site: "x", floor: "2" },
      secure: false,
    });
  });

  it("names environment variables after the field, capitals becoming underscores", () => {
    expect(
      loadOptions(hubSchema, "CLOUDHUB", { environment: { CLOUDHUB_LIMITS_MESSAGE_BYTES: "4096" } }).limits
        .messageBytes,
    ).toBe(4096);
  });
});

describe("complaining", () => {
  it.each([
    [
      "a number out of bounds",
      { "server.port": "99999" },
      /server\.port must be whole number 1\.\.65535, got 99999/,
    ],
    [
      "a number that is none",
      { "server.port": "many" },
      /server\.port must be whole number 1\.\.65535, got "many"/,
    ],
    ["a word that is none of those allowed", { level: "loud" }, /level must be debug \| info, got "loud"/],
    [
      "a flag that is neither",
      { "server.secure": "maybe" },
      /server\.secure must be true \| false, got "maybe"/,
    ],
  ])("names path, value and what is allowed: %s", (_what, flags, expected) => {
    expect(() => loadOptions(schema, "T", { flags })).toThrow(expected);
  });

  it("lists everything that is wrong at once", () => {
    const wrong = file("level: 7\nserver:\n  port: 0\n  ports: 3\n");
    expect(() => loadOptions(schema, "T", { file: wrong })).toThrow(
      /server\.ports is not a field; known here: port, secure.*level must be.*server\.port must be/,
    );
  });

  it("never shows a secret", () => {
    expect(() => loadOptions(schema, "T", { file: file("server:\n  token: 12345\n") })).toThrow(
      /token must be text, got another value/,
    );
  });

  it.each([
    ["no YAML", "a: [1\n", /is not YAML/],
    ["the same field twice", "name: a\nname: b\n", /is not YAML.*unique/],
    ["YAML that is no map", "- 1\n", /must hold fields and values/],
  ])("refuses %s", (_what, content, expected) => {
    expect(() => loadOptions(schema, "T", { file: file(content) })).toThrow(expected);
  });

  it("names a file that it cannot read", () => {
    expect(() => loadOptions(schema, "T", { file: "/nowhere/config.yaml" })).toThrow(/cannot read \/nowhere/);
  });

  it("refuses a flag it does not know, and points to --help", () => {
    expect(() => parseFlags(schema, ["--server.prot=1"])).toThrow(/--server\.prot.*--help/);
    expect(() => parseFlags(schema, ["stray"])).toThrow(/stray/);
  });

  it.each(["--server-port=1", "--Server.Port", "--serverport"])(
    "says which one is meant by %s, written another way",
    (given) => {
      expect(() => parseFlags(schema, [given])).toThrow(/did you mean --server\.port\? See --help/);
    },
  );
});

describe.each([
  ["the hub", hubSchema],
  ["the agent", edgeSchema],
])("printing the configuration of %s", (_who, program) => {
  it("prints YAML that reads back as the defaults", () => {
    expect(loadOptions(program, "T", { file: file(printConfig(program, false)) })).toEqual(
      loadOptions(program, "T", {}),
    );
  });

  it("explains every field in a comment above it", () => {
    const lines = printConfig(program, false).split("\n");
    const bare = lines.filter((line, i) => /^\s*[\w]+:/.test(line) && !/^\s*#/.test(lines[i - 1] ?? ""));
    expect(bare).toEqual([]);
  });

  it("prints a short one with what one usually sets, which reads back too", () => {
    const short = printConfig(program, true);
    expect(short.split("\n").length).toBeLessThan(printConfig(program, false).split("\n").length / 2);
    expect(Object.keys(parse(short))).toContain("dataDir");
    loadOptions(program, "T", { file: file(short) });
  });

  it("describes every field for --help with its default and variable", () => {
    const help = describeFlags(program, "T");
    expect(help).toMatch(/--dataDir <text>\n\s+Directory.*\n\s+default \/var\/lib.*; environment T_DATA_DIR/);
  });
});

describe("a word one may look for", () => {
  const reason = /WebTransport over HTTP\/3 is not supported, .*0015-webtransport/;

  it.each(["http3", "webtransport-http3"])("says why it is not there: hub.transport %s", (transport) => {
    expect(() => loadOptions(edgeSchema, "EDGEHUB", { values: { hub: { transport } } })).toThrow(reason);
  });

  it("says why it is not there: nodes.webTransport.http3", () => {
    const values = { nodes: { webTransport: { enable: true, http3: true } } };
    expect(() => loadOptions(hubSchema, "CLOUDHUB", { values })).toThrow(reason);
  });

  it("says nothing of the kind about other words", () => {
    for (const transport of ["http4", "constructor"])
      expect(() => loadOptions(edgeSchema, "EDGEHUB", { values: { hub: { transport } } })).toThrow(
        /webtransport, got "?\w+"?$/,
      );
  });
});
