import { checkDefinition } from "../custom-kinds.ts";
import { type FieldError, messageOf } from "../field-error.ts";
import type { JsonObject } from "../json.ts";
import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import { checkConstraints } from "../schema/constraints.ts";
import { checkBinding, checkConfigMap, checkNode, checkRole, checkSecret, checkService } from "./core.ts";
import { checkMetadata } from "./metadata.ts";
import { checkPodSpec, checkPodUpdate } from "./pod.ts";
import { checkWorkload } from "./workload.ts";

/** More help nobody. */
const maxErrors = 100;

/**
 * What is wrong with an object that has been read and has its defaults: metadata, constraints of its schema, rules of
 * native kinds.
 *
 * @param old What it replaces: fields that may not change are compared.
 */
export function checkObject(kind: Kind, object: KubeObject, old?: KubeObject): readonly FieldError[] {
  const value = object as unknown as JsonObject;
  const before = old as unknown as JsonObject | undefined;
  const errors = [
    ...checkMetadata(kind, object, old),
    ...checkConstraints(kind.schema, value, "", kind.form),
    ...(kind.form === "native" ? checkNative(kind, value, before) : []),
  ];
  return [...new Map(errors.map((error) => [messageOf(error), error])).values()].slice(0, maxErrors);
}

function checkNative({ type }: Kind, object: JsonObject, old: JsonObject | undefined): FieldError[] {
  switch (`${type.kind}.${type.group}`) {
    case "Pod.":
      return old === undefined ? checkPodSpec(object.spec, "spec") : checkPodUpdate(object, old);
    case "Deployment.apps":
    case "ReplicaSet.apps":
      return checkWorkload(object, old);
    case "ConfigMap.":
      return checkConfigMap(object, old);
    case "Secret.":
      return checkSecret(object, old);
    case "Service.":
      return checkService(object, old);
    case "Node.":
      return checkNode(object);
    case "Role.rbac.authorization.k8s.io":
    case "ClusterRole.rbac.authorization.k8s.io":
      return checkRole(object);
    case "RoleBinding.rbac.authorization.k8s.io":
    case "ClusterRoleBinding.rbac.authorization.k8s.io":
      return checkBinding(object, old);
    case "CustomResourceDefinition.apiextensions.k8s.io":
      return [...checkDefinition(object as unknown as KubeObject)];
    default:
      return [];
  }
}
