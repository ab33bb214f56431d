import { type Json, objectOf, objectsOf, textOf } from "../runtime/fields.ts";
import { formatImage, type ImagePart, parseImage, partOf, withPart } from "./image.ts";

/** What of a Deployment is otherwise in one group. Pure. Source: KubeEdge's EdgeApplication. */

interface PodSpec {
  readonly containers: readonly Json[];
  readonly [field: string]: unknown;
}

type Change = (container: Json, index: number, list: "containers" | "initContainers") => Json;

/**
 * @param spec Of the Deployment, with its pod template.
 * @returns The spec of this group, and what of the overriders has met nothing.
 */
export function overridden(spec: Json, overriders: Json): { spec: Json; faults: string[] } {
  const faults: string[] = [];
  const template = objectOf(spec.template);
  let pod = podSpecOf(template);
  for (const rule of objectsOf(overriders.imageOverriders)) {
    const change = imageChange(rule);
    if (typeof change === "string") faults.push(change);
    else pod = eachContainer(pod, change);
  }
  const named = [
    ["commandOverriders", (container: Json, rule: Json) => withWords(container, "command", rule)],
    ["argsOverriders", (container: Json, rule: Json) => withWords(container, "args", rule)],
    ["envOverriders", withEnv],
    [
      "resourcesOverriders",
      (container: Json, { value }: Json) => ({ ...container, resources: objectOf(value) }),
    ],
  ] as const;
  for (const [field, change] of named) {
    for (const rule of objectsOf(overriders[field])) {
      const name = textOf(rule.containerName);
      let found = false;
      pod = eachContainer(pod, (container) => {
        if (container.name !== name) return container;
        found = true;
        return change(container, rule);
      });
      if (!found) faults.push(`${field}: there is no container ${name}`);
    }
  }
  const replicas = typeof overriders.replicas === "number" ? { replicas: overriders.replicas } : {};
  return { spec: { ...spec, ...replicas, template: { ...template, spec: pod } }, faults };
}

function podSpecOf(template: Json): PodSpec {
  const spec = objectOf(template.spec);
  return { ...spec, containers: objectsOf(spec.containers) };
}

function eachContainer(pod: PodSpec, change: Change): PodSpec {
  const containers = pod.containers.map((one, index) => change(one, index, "containers"));
  if (pod.initContainers === undefined) return { ...pod, containers };
  const first = objectsOf(pod.initContainers).map((one, index) => change(one, index, "initContainers"));
  return { ...pod, containers, initContainers: first };
}

const imagePath = /^\/spec\/template\/spec\/(containers|initContainers)\/(\d{1,4})\/image$/;

/** @returns A text: why the rule can meet nothing. */
function imageChange({ predicate, component, operator, value }: Json): Change | string {
  const path = textOf(objectOf(predicate).path);
  const [, list, index] = imagePath.exec(path) ?? [];
  if (path !== "" && list === undefined)
    return `imageOverriders: ${path.slice(0, 200)} is no path of an image`;
  const given = operator === "remove" ? "" : textOf(value);
  return (container, at, of) => {
    const isMeant = list === undefined ? of === "containers" : list === of && Number(index) === at;
    if (!isMeant) return container;
    const image = parseImage(textOf(container.image));
    const part = component as ImagePart;
    const next = operator === "add" ? partOf(image, part) + given : given;
    return { ...container, image: formatImage(withPart(image, part, next)) };
  };
}

function withWords(container: Json, field: "command" | "args", { operator, value }: Json): Json {
  const words = Array.isArray(container[field]) ? (container[field] as unknown[]) : [];
  const given = Array.isArray(value) ? value : [];
  const next = operator === "remove" ? words.filter((word) => !given.includes(word)) : [...words, ...given];
  return { ...container, [field]: next };
}

/** `add` sets, also what is there; `replace` sets only what is there. */
function withEnv(container: Json, { operator, value }: Json): Json {
  const given = new Map(objectsOf(value).map((one) => [textOf(one.name), one]));
  const old = objectsOf(container.env);
  if (operator === "remove") return { ...container, env: old.filter(({ name }) => !given.has(textOf(name))) };
  const known = new Set(old.map(({ name }) => textOf(name)));
  const changed = old.map((one) => given.get(textOf(one.name)) ?? one);
  const added = operator === "add" ? [...given].filter(([name]) => !known.has(name)) : [];
  return { ...container, env: [...changed, ...added.map(([, one]) => one)] };
}
