import type { KubeObject } from "./edge-controller.ts";
import type { EdgedWorld } from "./edged-agent.ts";
import { exchangesOf, pushesOf, statusesAfterPatches } from "./recorded-exchanges.ts";
import type { Json } from "./strategic-merge.ts";
import type { WireJson } from "./wire-json.ts";

/** The pod of the recording, which is a plain process here, so that it is given a command. */

const exchanges = exchangesOf(["b-pod-lifecycle-edged"], "edge-a");
const [inserted, ...laterPushes] = pushesOf("b-pod-lifecycle-edged", "edge-a") as [WireJson, ...WireJson[]];

/** Its statuses: before its container was made, when it ran, when it had been stopped. */
export const recordedStatuses = statusesAfterPatches(exchanges);

/** What it needs. */
export const needs = ["secret sb", "configmap kube-root-ca.crt", "configmap cmb"];

/** The push by which its graceful deletion began. */
export const deletionPush = laterPushes.find(
  ({ content }) => "deletionTimestamp" in (content as KubeObject).metadata,
) as WireJson;

/** An object that the recorded edge was given. @param name `secret sb`. */
export function recordedObject(name: string): KubeObject {
  const answers = exchanges.flatMap(({ answered }) => answered ?? []);
  const resource = `default/${name.replace(" ", "/")}`;
  const answer = answers.find(({ route }) => route.resource === resource) as WireJson;
  const { kind: _kind, apiVersion: _apiVersion, ...object } = answer.content as KubeObject;
  return object as KubeObject;
}

/** What it writes once it runs. */
export function outputOf(world: EdgedWorld): string {
  return `${world.directory}/output`;
}

/** A push of the recorded pod, which gets a command that ends as the recorded one did: by SIGKILL. */
export function podMessage(world: EdgedWorld, message = inserted): WireJson {
  const account = "$EDGEHUB_ROOT/var/run/secrets/kubernetes.io/serviceaccount";
  const words = `"$k" "$(cat $EDGEHUB_ROOT/s/p)" "$(head -c 8 ${account}/token)"`;
  return withCommand(
    message,
    `trap '' TERM; test -s ${account}/ca.crt && echo ${words} >> ${outputOf(world)}; while :; do sleep 0.2; done`,
  );
}

/** The recorded pod without what it needs. */
export function plainPod(
  world: EdgedWorld,
  script = `echo here >> ${outputOf(world)}; exec sleep 1000`,
  restartPolicy = "Always",
): WireJson {
  const message = withCommand(inserted, script);
  const object = message.content as KubeObject;
  const [container] = (object.spec?.containers ?? []) as Json[];
  const { envFrom: _envFrom, volumeMounts: _volumeMounts, ...rest } = container as Json;
  const spec = { ...object.spec, volumes: [], containers: [rest], restartPolicy };
  return { ...message, content: { ...object, spec } };
}

export function ended({ route, content, ...rest }: WireJson): WireJson {
  const object = content as KubeObject;
  const ending = { deletionTimestamp: "2026-11-20T10:11:53Z", deletionGracePeriodSeconds: 2 };
  return {
    ...rest,
    route: { ...route, operation: "update" },
    content: { ...object, metadata: { ...object.metadata, ...ending } },
  };
}

export function withCommand(message: WireJson, script: string): WireJson {
  const object = message.content as KubeObject;
  const [container] = (object.spec?.containers ?? []) as Json[];
  const containers = [{ ...container, command: ["/bin/sh", "-c", script] }];
  return { ...message, content: { ...object, spec: { ...object.spec, containers } } };
}
