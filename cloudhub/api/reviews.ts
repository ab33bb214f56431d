import { ApiError, type KubeObject } from "../../kubernetes/index.ts";
import type { ObjectCall } from "./api-call.ts";
import type { Authentication } from "./authentication.ts";
import type { Authorizer } from "./authorizer.ts";
import type { Attributes } from "./rbac.ts";
import { tokenIssuer } from "./service-account-tokens.ts";
import { authenticatedGroup, type User } from "./user.ts";

interface AccessSpec {
  readonly resourceAttributes?: null | {
    readonly namespace?: string;
    readonly verb?: string;
    readonly group?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly name?: string;
  };
  readonly nonResourceAttributes?: null | { readonly path?: string; readonly verb?: string };
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly uid?: string;
}

/** Answers what is asked and not kept: who one is, and what one may do. */
export class Reviews {
  readonly #authorizer: Authorizer;
  readonly #authentication: Pick<Authentication, "byToken">;

  constructor(authorizer: Authorizer, authentication: Pick<Authentication, "byToken">) {
    this.#authorizer = authorizer;
    this.#authentication = authentication;
  }

  async answer({ kind, user, path }: ObjectCall, question: KubeObject): Promise<KubeObject> {
    const spec = (question.spec ?? {}) as AccessSpec;
    switch (kind.type.kind) {
      case "SelfSubjectReview":
        return { ...question, status: { userInfo: infoOf(user) } };
      case "SelfSubjectAccessReview":
        return { ...question, status: this.#access(user, spec) };
      case "SubjectAccessReview":
        return accessReview(this.#authorizer, question);
      case "LocalSubjectAccessReview":
        if (spec.resourceAttributes?.namespace !== path.namespace)
          throw new ApiError("BadRequest", "spec.resourceAttributes.namespace must match metadata.namespace");
        return { ...question, status: this.#access(userIn(spec), spec) };
      case "SelfSubjectRulesReview":
        return { ...question, status: this.#rules(user, question) };
      case "TokenReview":
        return { ...question, status: await this.#token(question) };
      default:
        throw new ApiError(
          "MethodNotAllowed",
          "the server does not allow this method on the requested resource",
        );
    }
  }

  #access(user: User, spec: AccessSpec): object {
    return { allowed: this.#authorizer.isAllowed(user, attributesOf(spec)) };
  }

  #rules(user: User, question: KubeObject): object {
    const { namespace } = (question.spec ?? {}) as { namespace?: string };
    const all = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
    const masters = user.groups.includes("system:masters");
    const rules = masters
      ? [all, { verbs: ["*"], nonResourceURLs: ["*"] }]
      : this.#authorizer.rulesOf(user, namespace);
    return {
      resourceRules: rules.filter((rule) => "resources" in rule),
      nonResourceRules: rules.filter((rule) => "nonResourceURLs" in rule),
      incomplete: false,
    };
  }

  async #token(question: KubeObject): Promise<object> {
    const { token = "", audiences } = (question.spec ?? {}) as {
      token?: string;
      audiences?: readonly string[];
    };
    const wanted = audiences?.length ? audiences : [tokenIssuer];
    try {
      return {
        authenticated: true,
        user: infoOf(await this.#authentication.byToken(token, wanted)),
        audiences: wanted,
      };
    } catch (error) {
      return { authenticated: false, error: error instanceof Error ? error.message : "not authenticated" };
    }
  }
}

/** What somebody may do: the answer to a SubjectAccessReview. */
export function accessReview(authorizer: Authorizer, question: KubeObject): KubeObject {
  const spec = (question.spec ?? {}) as AccessSpec;
  return { ...question, status: { allowed: authorizer.isAllowed(userIn(spec), attributesOf(spec)) } };
}

function attributesOf({ resourceAttributes, nonResourceAttributes }: AccessSpec): Attributes {
  if (!resourceAttributes) {
    const { path = "", verb = "" } = nonResourceAttributes ?? {};
    if (!nonResourceAttributes)
      throw new ApiError("BadRequest", "spec.resourceAttributes or spec.nonResourceAttributes must be given");
    return { verb, path, resource: undefined };
  }
  const { verb = "", group = "", resource = "", subresource = "", name = "", namespace } = resourceAttributes;
  return {
    verb,
    path: "",
    resource: { group, resource, subresource, name, namespace: namespace || undefined },
  };
}

function userIn({ user = "", groups: given, uid }: AccessSpec): User {
  const groups = Array.isArray(given) ? (given as readonly string[]) : [];
  const more = user === "" || groups.includes(authenticatedGroup) ? groups : [...groups, authenticatedGroup];
  return { name: user, uid, groups: more };
}

function infoOf({ name, uid, groups, extra }: User): object {
  const given = { ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) };
  return { username: name, ...given, groups };
}
