import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ApiError,
  builtInKinds,
  checkDefinition,
  checkObject,
  invalidObject,
  type Kind,
  type KubeObject,
  kindsOfDefinition,
  messageOf,
  readObject,
  strictFieldError,
  withDefaults,
} from "../../kubernetes/index.ts";

const kinds = builtInKinds();

function kindOf(name: string, version = "v1"): Kind {
  const found = kinds.find(({ type }) => type.kind === name && type.version === version);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

function objectOf(kind: Kind, fields: object): KubeObject {
  const { group, version } = kind.type;
  const metadata = { name: "one", ...(kind.type.namespaced ? { namespace: "default" } : {}) };
  return {
    apiVersion: group === "" ? version : `${group}/${version}`,
    kind: kind.type.kind,
    metadata,
    ...fields,
  } as KubeObject;
}

function errorsOf(kind: Kind, fields: object, old?: object): string[] {
  const object = withDefaults(kind, objectOf(kind, fields));
  const before = old === undefined ? undefined : withDefaults(kind, objectOf(kind, old));
  return checkObject(kind, object, before).map(messageOf);
}

const pod = kindOf("Pod");
const deployment = kindOf("Deployment");
const container = { name: "c", image: "i:1" };

function podWith(fields: object, more: object = {}): object {
  return { spec: { containers: [{ ...container, ...fields }], ...more } };
}

describe("reading", () => {
  it("leaves unknown fields out and names them", () => {
    const { object, unknown } = readObject(pod, objectOf(pod, podWith({ imagee: "x" }, { nodename: "n" })));
    expect(unknown).toEqual(["spec.containers[0].imagee", "spec.nodename"]);
    expect(object.spec).toEqual({ containers: [container] });
    expect(strictFieldError(pod, unknown).message).toBe(
      'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.containers[0].imagee", unknown field "spec.nodename"',
    );
  });

  it.each([
    [
      { spec: { replicas: "three" } },
      "string into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [
      { spec: { replicas: 2.5 } },
      "number 2.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
    ],
    [{ spec: { paused: 1 } }, "number into Go struct field DeploymentSpec.spec.paused of type bool"],
    [
      { spec: { template: { spec: { containers: [{ image: 7 }] } } } },
      "number into Go struct field Container.spec.template.spec.containers.image of type string",
    ],
    [
      { spec: { template: { spec: { containers: {} } } } },
      "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
    ],
    [
      { metadata: { labels: { a: true } } },
      "bool into Go struct field ObjectMeta.metadata.labels.a of type string",
    ],
  ])("refuses %j as Kubernetes does", (fields, text) => {
    expect(() => readObject(deployment, objectOf(deployment, fields))).toThrow(
      `Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal ${text}`,
    );
  });

  it("always gives metadata", () => {
    for (const kind of [pod, kindOf("Rule")])
      for (const sent of [{}, { metadata: null }]) expect(readObject(kind, sent).object.metadata).toEqual({});
  });

  it("refuses bytes that are none in time", () => {
    const data = { a: `${"\n".repeat(900_000)}%` };
    const secret = kindOf("Secret");
    expect(() => readObject(secret, objectOf(secret, { data }))).toThrow("illegal base64 data");
  });

  it("refuses what is no object, and what is too deep", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`);
    for (const value of [1, null, [], "x", deep]) expect(() => readObject(pod, value)).toThrow(ApiError);
  });

  it("refuses amounts that are none", () => {
    const resources = { limits: { cpu: "many" } };
    expect(() => readObject(pod, objectOf(pod, podWith({ resources })))).toThrow("quantities must match");
  });

  it("refuses bytes and times that are none", () => {
    const secret = kindOf("Secret");
    for (const a of ["%", "abc", "é"])
      expect(() => readObject(secret, objectOf(secret, { data: { a } }))).toThrow("illegal base64 data");
    expect(readObject(secret, objectOf(secret, { data: { a: "", b: "YWI=" } })).unknown).toEqual([]);
    const lease = kindOf("Lease");
    for (const renewTime of ["yesterday", "2026-13-01T00:00:00Z", "2026-01-01"])
      expect(() => readObject(lease, objectOf(lease, { spec: { renewTime } }))).toThrow("parsing time");
    const renewTime = "2026-01-01T00:00:00.123456Z";
    expect(readObject(lease, objectOf(lease, { spec: { renewTime } })).object.spec).toEqual({ renewTime });
  });

  it("takes numbers as quantities, drops null", () => {
    const resources = { limits: { cpu: 1, memory: "1Gi" }, claims: null };
    const { object } = readObject(pod, objectOf(pod, podWith({ resources })));
    expect(object.spec).toEqual({
      containers: [{ ...container, resources: { limits: { cpu: "1", memory: "1Gi" } } }],
    });
  });

  it("survives anything", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (spec, metadata) => {
        for (const kind of [
          pod,
          deployment,
          kindOf("Device", "v1beta1"),
          kindOf("CustomResourceDefinition"),
        ]) {
          try {
            const { object } = readObject(kind, { metadata, spec });
            checkObject(kind, withDefaults(kind, object));
          } catch (error) {
            expect(error).toBeInstanceOf(ApiError);
          }
        }
      }),
    );
  });
});

describe("pods", () => {
  it("get the defaults of the API server", () => {
    const { spec } = withDefaults(
      pod,
      objectOf(pod, {
        spec: {
          containers: [
            {
              name: "c",
              image: "registry:5000/i",
              ports: [{ containerPort: 80 }],
              livenessProbe: { httpGet: { port: 80 } },
              resources: { limits: { cpu: "1" } },
            },
          ],
          volumes: [{ name: "v" }, { name: "m", configMap: { name: "m" } }],
        },
      }),
    ) as unknown as { spec: Record<string, unknown> };
    expect(spec).toMatchObject({
      restartPolicy: "Always",
      dnsPolicy: "ClusterFirst",
      terminationGracePeriodSeconds: 30,
      schedulerName: "default-scheduler",
      serviceAccountName: "default",
      enableServiceLinks: true,
      securityContext: {},
      volumes: [
        { name: "v", emptyDir: {} },
        { name: "m", configMap: { name: "m", defaultMode: 420 } },
      ],
      containers: [
        {
          imagePullPolicy: "Always",
          terminationMessagePath: "/dev/termination-log",
          terminationMessagePolicy: "File",
          ports: [{ containerPort: 80, protocol: "TCP" }],
          resources: { limits: { cpu: "1" }, requests: { cpu: "1" } },
          livenessProbe: {
            httpGet: { port: 80, path: "/", scheme: "HTTP" },
            periodSeconds: 10,
            timeoutSeconds: 1,
            successThreshold: 1,
            failureThreshold: 3,
          },
        },
      ],
    });
  });

  it.each([
    ["no containers", { spec: {} }, "spec.containers: Required value"],
    ["no image", podWith({ image: undefined }), "spec.containers[0].image: Required value"],
    ["no name", podWith({ name: undefined }), "spec.containers[0].name: Required value"],
    [
      "a name that is none",
      podWith({ name: "C_1" }),
      /^spec\.containers\[0\]\.name: Invalid value: "C_1": a lowercase RFC 1123 label/,
    ],
    [
      "two of one name",
      { spec: { containers: [container, container] } },
      'spec.containers[1].name: Duplicate value: "c"',
    ],
    [
      "a pull policy that is none",
      podWith({ imagePullPolicy: "Sometimes" }),
      'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    ],
    [
      "a port out of range",
      podWith({ ports: [{ containerPort: 70_000 }] }),
      "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ],
    [
      "a variable without a name",
      podWith({ env: [{ value: "1" }] }),
      "spec.containers[0].env[0].name: Required value",
    ],
    [
      "a variable with =",
      podWith({ env: [{ name: "A=B" }] }),
      /^spec\.containers\[0\]\.env\[0\]\.name: Invalid value: "A=B"/,
    ],
    [
      "a mount of no volume",
      podWith({ volumeMounts: [{ name: "data", mountPath: "/d" }] }),
      'spec.containers[0].volumeMounts[0].name: Not found: "data"',
    ],
    [
      "more wanted than allowed",
      podWith({ resources: { limits: { memory: "1Mi" }, requests: { memory: "1Gi" } } }),
      'spec.containers[0].resources.requests: Invalid value: "1Gi": must be less than or equal to memory limit of 1Mi',
    ],
    [
      "a probe of nothing",
      podWith({ readinessProbe: {} }),
      "spec.containers[0].readinessProbe: Required value: must specify a handler type",
    ],
    [
      "two sources of a volume",
      podWith({}, { volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/" } }] }),
      "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    ],
    [
      "a label that is none",
      { ...podWith({}), metadata: { name: "a", namespace: "b", labels: { "a b": "c" } } },
      /^metadata\.labels: Invalid value: "a b"/,
    ],
    [
      "no name at all",
      { ...podWith({}), metadata: { namespace: "b" } },
      "metadata.name: Required value: name or generateName is required",
    ],
    [
      "a bad name",
      { ...podWith({}), metadata: { name: "Foo", namespace: "b" } },
      /^metadata\.name: Invalid value: "Foo": a lowercase RFC 1123 subdomain/,
    ],
  ])("with %s are refused", (_, fields, text) => {
    const errors = errorsOf(pod, fields);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(text);
  });

  it("do not change once they are there, but for a few fields", () => {
    const before = podWith({});
    expect(errorsOf(pod, podWith({ image: "i:2" }), before)).toEqual([]);
    expect(errorsOf(pod, podWith({}, { nodeName: "n" }), before)).toEqual([]);
    expect(errorsOf(pod, podWith({ command: ["x"] }), before)[0]).toMatch(
      /^spec: Forbidden: pod updates may not change/,
    );
    expect(errorsOf(pod, podWith({}, { nodeName: "m" }), podWith({}, { nodeName: "n" }))).toHaveLength(1);
  });
});

describe("other kinds", () => {
  const template = { metadata: { labels: { app: "a" } }, spec: { containers: [container] } };
  const selector = { matchLabels: { app: "a" } };

  it("deployments get their defaults", () => {
    const { spec } = withDefaults(deployment, objectOf(deployment, { spec: { selector, template } }));
    expect(spec).toMatchObject({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
      template: { spec: { restartPolicy: "Always" } },
    });
    expect(JSON.stringify(spec)).not.toContain("tolerations");
  });

  it.each([
    [
      "a selector that does not match",
      { spec: { selector: { matchLabels: { app: "b" } }, template } },
      'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
    ],
    ["no selector", { spec: { template } }, "spec.selector: Required value"],
    ["no template", { spec: { selector } }, "spec.template: Required value"],
    [
      "fewer than no replicas",
      { spec: { selector, template, replicas: -1 } },
      "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
    ],
    [
      "pods that end",
      { spec: { selector, template: { ...template, spec: { ...template.spec, restartPolicy: "Never" } } } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
  ])("deployments with %s are refused", (_, fields, text) => {
    expect(errorsOf(deployment, fields)).toEqual([text]);
  });

  it("deployments keep their selector", () => {
    const labels = { app: "a", tier: "b" };
    const before = { spec: { selector, template: { ...template, metadata: { labels } } } };
    const after = { spec: { ...before.spec, selector: { matchLabels: labels } } };
    expect(errorsOf(deployment, after, before)[0]).toMatch(
      /^spec\.selector: Invalid value: .*: field is immutable$/,
    );
  });

  it("secrets: text becomes data, the type stays, keys of a type are required", () => {
    const secret = kindOf("Secret");
    const made = withDefaults(secret, objectOf(secret, { stringData: { a: "ä" } }));
    expect(made).toMatchObject({ type: "Opaque", data: { a: "w6Q=" } });
    expect(made).not.toHaveProperty("stringData");
    expect(errorsOf(secret, { type: "kubernetes.io/tls" })).toHaveLength(2);
    expect(errorsOf(secret, { type: "x/y" }, { type: "Opaque" })).toEqual([
      'type: Invalid value: "x/y": field is immutable',
    ]);
  });

  it("config maps: keys, size, immutability", () => {
    const map = kindOf("ConfigMap");
    expect(errorsOf(map, { data: { "a/b": "1" } })[0]).toMatch(
      /^data\[a\/b\]: Invalid value: "a\/b": a valid config key/,
    );
    expect(errorsOf(map, { data: { a: "x".repeat(1_048_577) } })).toHaveLength(1);
    const before = { immutable: true, data: { a: "1" } };
    expect(errorsOf(map, { ...before, data: { a: "2" } }, before)).toEqual([
      "data: Forbidden: field is immutable when `immutable` is set",
    ]);
  });

  it("services: ports", () => {
    const service = kindOf("Service");
    expect(errorsOf(service, { spec: {} })).toEqual(["spec.ports: Required value"]);
    expect(errorsOf(service, { spec: { clusterIP: "None" } })).toEqual([]);
    expect(errorsOf(service, { spec: { ports: [{ port: 1 }, { port: 2, name: "b" }] } })).toEqual([
      "spec.ports[0].name: Required value",
    ]);
    const { spec } = withDefaults(service, objectOf(service, { spec: { ports: [{ port: 80 }] } }));
    expect(spec).toMatchObject({ type: "ClusterIP", ports: [{ port: 80, targetPort: 80, protocol: "TCP" }] });
  });

  it("bindings keep their role", () => {
    const binding = kindOf("RoleBinding");
    const roleRef = { kind: "Role", name: "a" };
    const subjects = [{ kind: "User", name: "u" }];
    const made = withDefaults(binding, objectOf(binding, { roleRef, subjects }));
    expect(made.subjects).toEqual([{ ...subjects[0], apiGroup: "rbac.authorization.k8s.io" }]);
    expect(
      errorsOf(binding, { roleRef: { ...roleRef, name: "b" }, subjects }, { roleRef, subjects }),
    ).toHaveLength(1);
  });

  it("rules of KubeEdge say what they need", () => {
    const endpoint = kindOf("RuleEndpoint");
    expect(errorsOf(endpoint, { spec: { ruleEndpointType: "http" } })).toEqual([
      'spec.ruleEndpointType: Unsupported value: "http": supported values: "rest", "eventbus", "servicebus"',
    ]);
    expect(errorsOf(kindOf("Rule"), { spec: { source: "a", target: "b", sourceResource: {} } })).toEqual([
      "spec.targetResource: Required value",
    ]);
  });
});

describe("kinds of CustomResourceDefinitions", () => {
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "widgets", kind: "Widget", shortNames: ["wd"] },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {}, scale: {} },
          schema: {
            openAPIV3Schema: {
              type: "object",
              required: ["spec"],
              properties: {
                spec: {
                  type: "object",
                  required: ["size"],
                  properties: {
                    size: { type: "integer", minimum: 1, maximum: 9 },
                    colour: { type: "string", enum: ["red", "blue"], default: "red" },
                    code: { type: "string", pattern: "^[a-z]+$", maxLength: 3 },
                    port: { "x-kubernetes-int-or-string": true },
                    note: { type: "string", nullable: true },
                    tags: {
                      type: "array",
                      maxItems: 2,
                      items: { type: "string" },
                      "x-kubernetes-list-type": "set",
                    },
                    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                    counts: { type: "object", additionalProperties: { type: "integer" } },
                    either: {
                      type: "object",
                      properties: { a: { type: "string" }, b: { type: "string" } },
                      oneOf: [{ required: ["a"] }, { required: ["b"] }],
                    },
                  },
                },
              },
            },
          },
        },
        { name: "v2", served: false, storage: false, schema: { openAPIV3Schema: { type: "object" } } },
      ],
    },
  } as const satisfies KubeObject;
  const [widget, ...others] = kindsOfDefinition(definition);
  if (widget === undefined) throw new Error("no kind");

  it("are served, with their subresources", () => {
    expect(others).toEqual([]);
    expect(widget.type).toMatchObject({
      resource: "widgets",
      kind: "Widget",
      singular: "widget",
      hasStatus: true,
    });
    expect(widget.type.subresources.map(({ name }) => name)).toEqual(["scale"]);
  });

  it("lose unknown fields, keep free ones, get defaults", () => {
    const spec = { size: 1, odd: 1, free: { any: [1] }, counts: { a: 1 } };
    const { object, unknown } = readObject(widget, objectOf(widget, { spec, more: 1 }));
    expect(unknown).toEqual(["spec.odd", "more"]);
    expect(withDefaults(widget, object).spec).toEqual({
      size: 1,
      free: { any: [1] },
      counts: { a: 1 },
      colour: "red",
    });
  });

  it.each([
    [{}, "spec: Required value"],
    [{ spec: {} }, "spec.size: Required value"],
    [
      { spec: { size: "1" } },
      'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
    ],
    [
      { spec: { size: 0 } },
      "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
    ],
    [
      { spec: { size: 10 } },
      "spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9",
    ],
    [
      { spec: { size: 1, colour: "green" } },
      'spec.colour: Unsupported value: "green": supported values: "red", "blue"',
    ],
    [
      { spec: { size: 1, code: "A" } },
      "spec.code: Invalid value: \"A\": spec.code in body should match '^[a-z]+$'",
    ],
    [{ spec: { size: 1, code: "abcd" } }, "spec.code: Too long: may not be more than 3 bytes"],
    [
      { spec: { size: 1, port: true } },
      'spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"',
    ],
    [
      { spec: { size: 1, code: null } },
      'spec.code: Invalid value: "null": spec.code in body must be of type string: "null"',
    ],
    [{ spec: { size: 1, tags: ["a", "a"] } }, 'spec.tags[1]: Duplicate value: "a"'],
    [{ spec: { size: 1, tags: ["a", "b", "c"] } }, "spec.tags: Too many: 3: must have at most 2 items"],
    [
      { spec: { size: 1, counts: { a: 1.5 } } },
      'spec.counts.a: Invalid value: "number": spec.counts.a in body must be of type integer: "number"',
    ],
    [
      { spec: { size: 1, either: {} } },
      "spec.either: Invalid value: {}: spec.either in body must validate one and only one schema (oneOf)",
    ],
  ])("%j is refused", (fields, text) => {
    expect(errorsOf(widget, fields)).toEqual([text]);
  });

  it("take null where they may, and a number or text where either will do", () => {
    expect(errorsOf(widget, { spec: { size: 1, note: null, port: 1 } })).toEqual([]);
    expect(errorsOf(widget, { spec: { size: 1, port: "http", either: { a: "x" } } })).toEqual([]);
  });

  it("a definition itself is checked", () => {
    expect(checkDefinition(definition)).toEqual([]);
    const { versions } = definition.spec;
    const messages = checkDefinition({
      ...definition,
      metadata: { name: "gadgets.example.com" },
      spec: {
        ...definition.spec,
        versions: [
          {
            ...versions[0],
            storage: false,
            schema: {
              openAPIV3Schema: { type: "object", properties: { a: { type: "string", pattern: "(" }, b: {} } },
            },
          },
        ],
      },
    }).map(messageOf);
    expect(messages).toEqual([
      'metadata.name: Invalid value: "gadgets.example.com": must be spec.names.plural+"."+spec.group',
      'spec.versions: Invalid value: ["v1"]: must have exactly one version marked as storage version',
      'spec.versions[0].schema.openAPIV3Schema.properties[a].pattern: Invalid value: "(": must be a valid regular expression',
      "spec.versions[0].schema.openAPIV3Schema.properties[b].type: Required value: must not be empty for specified object fields",
    ]);
  });
});

it("answers with one message and a cause for each error", () => {
  const errors = checkObject(pod, objectOf(pod, { spec: { containers: [{}] } }));
  const { status } = invalidObject(pod.type, "one", errors);
  expect(status).toMatchObject({ code: 422, reason: "Invalid", details: { name: "one", kind: "Pod" } });
  expect(status.message).toBe(
    'Pod "one" is invalid: [spec.containers[0].name: Required value, spec.containers[0].image: Required value]',
  );
  expect(status.details?.causes).toEqual([
    { reason: "FieldValueRequired", message: "Required value", field: "spec.containers[0].name" },
    { reason: "FieldValueRequired", message: "Required value", field: "spec.containers[0].image" },
  ]);
});
