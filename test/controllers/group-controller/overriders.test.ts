import { expect, it, test } from "vitest";
import { formatImage, parseImage } from "../../../controllers/group-controller/image.ts";
import { overridden } from "../../../controllers/group-controller/overriders.ts";

test.each([
  ["nginx", { registry: "", repository: "nginx", version: "" }],
  ["nginx:1.2", { registry: "", repository: "nginx", version: ":1.2" }],
  ["team/web@sha256:abc", { registry: "", repository: "team/web", version: "@sha256:abc" }],
  ["localhost:5000/a/b:c", { registry: "localhost:5000", repository: "a/b", version: ":c" }],
  ["r.io/a", { registry: "r.io", repository: "a", version: "" }],
])("reads the image %s, and writes it the same", (text, image) => {
  expect(parseImage(text)).toEqual(image);
  expect(formatImage(parseImage(text))).toBe(text);
});

const spec = {
  replicas: 1,
  template: {
    spec: {
      initContainers: [{ name: "first", image: "r.io/init:1" }],
      containers: [
        {
          name: "main",
          image: "r.io/web:1",
          command: ["a"],
          args: ["x", "y"],
          env: [{ name: "A", value: "1" }],
        },
        { name: "side", image: "r.io/side:1" },
      ],
    },
  },
};
const containers = (overriders: object) => {
  const { template } = overridden(spec, { ...overriders }).spec as typeof spec;
  return template.spec;
};
const image = (rule: object) =>
  [containers({ imageOverriders: [rule] })].flatMap((pod) =>
    [...pod.initContainers, ...pod.containers].map((one) => one.image),
  );

test.each([
  [{ component: "Registry", operator: "replace", value: "m" }, ["r.io/init:1", "m/web:1", "m/side:1"]],
  [{ component: "Registry", operator: "remove" }, ["r.io/init:1", "web:1", "side:1"]],
  [
    { component: "Repository", operator: "add", value: "-x" },
    ["r.io/init:1", "r.io/web-x:1", "r.io/side-x:1"],
  ],
  [
    { component: "Tag", operator: "add", value: "-edge" },
    ["r.io/init:1", "r.io/web:1-edge", "r.io/side:1-edge"],
  ],
  [{ component: "Tag", operator: "remove" }, ["r.io/init:1", "r.io/web", "r.io/side"]],
  [
    {
      component: "Tag",
      operator: "replace",
      value: "sha256:abc",
      predicate: { path: "/spec/template/spec/containers/1/image" },
    },
    ["r.io/init:1", "r.io/web:1", "r.io/side@sha256:abc"],
  ],
  [
    {
      component: "Tag",
      operator: "replace",
      value: "2",
      predicate: { path: "/spec/template/spec/initContainers/0/image" },
    },
    ["r.io/init:2", "r.io/web:1", "r.io/side:1"],
  ],
])("changes images by %o", (rule, expected) => {
  expect(image(rule)).toEqual(expected);
});

it("changes words, environment and resources of the named container", () => {
  const rule = (more: object) => [{ containerName: "main", ...more }];
  const [main] = containers({
    commandOverriders: rule({ operator: "add", value: ["b"] }),
    argsOverriders: rule({ operator: "remove", value: ["x"] }),
    envOverriders: [
      ...rule({
        operator: "replace",
        value: [
          { name: "A", value: "2" },
          { name: "no", value: "" },
        ],
      }),
      ...rule({ operator: "add", value: [{ name: "B", value: "3" }] }),
    ],
    resourcesOverriders: rule({ value: { limits: { cpu: "1" } } }),
  }).containers;
  expect(main).toMatchObject({
    command: ["a", "b"],
    args: ["y"],
    env: [
      { name: "A", value: "2" },
      { name: "B", value: "3" },
    ],
    resources: { limits: { cpu: "1" } },
  });
  expect(
    containers({ envOverriders: rule({ operator: "remove", value: [{ name: "A" }] }) }).containers[0]?.env,
  ).toEqual([]);
});

it("changes no template that it was given, and says what meets nothing", () => {
  const before = JSON.stringify(spec);
  const { faults } = overridden(spec, {
    argsOverriders: [{ containerName: "ghost", operator: "add", value: ["z"] }],
    imageOverriders: [
      { component: "Tag", operator: "add", value: "x", predicate: { path: "/spec/replicas" } },
    ],
  });
  expect(JSON.stringify(spec)).toBe(before);
  expect(faults).toEqual([
    "imageOverriders: /spec/replicas is no path of an image",
    "argsOverriders: there is no container ghost",
  ]);
});
