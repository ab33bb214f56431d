import { ApiError, type StatusCause } from "./api-error.ts";
import type { ResourceType } from "./resource-type.ts";

/** What is wrong with a field. Source: field.Error of Kubernetes. */
export interface FieldError {
  readonly reason: keyof typeof words;
  /** Path: `spec.containers[0].image`. */
  readonly field: string;
  /** The rest of the message, as Kubernetes words it. */
  readonly detail: string;
}

/** Reason in a Status → how its message begins. */
const words = {
  FieldValueRequired: "Required value",
  FieldValueInvalid: "Invalid value",
  FieldValueDuplicate: "Duplicate value",
  FieldValueNotFound: "Not found",
  FieldValueNotSupported: "Unsupported value",
  FieldValueForbidden: "Forbidden",
  FieldValueTooLong: "Too long",
  FieldValueTooMany: "Too many",
  FieldValueTypeInvalid: "Invalid value",
} as const;

export function required(field: string, detail = ""): FieldError {
  return { reason: "FieldValueRequired", field, detail };
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { reason: "FieldValueInvalid", field, detail: `${shown(value)}: ${detail}` };
}

export function wrongType(field: string, value: unknown, detail: string): FieldError {
  return { reason: "FieldValueTypeInvalid", field, detail: `${shown(value)}: ${detail}` };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { reason: "FieldValueDuplicate", field, detail: shown(value) };
}

export function notFoundValue(field: string, value: unknown): FieldError {
  return { reason: "FieldValueNotFound", field, detail: shown(value) };
}

export function notSupported(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const list = supported.map(shown).join(", ");
  return { reason: "FieldValueNotSupported", field, detail: `${shown(value)}: supported values: ${list}` };
}

export function forbidden(field: string, detail: string): FieldError {
  return { reason: "FieldValueForbidden", field, detail };
}

export function tooLong(field: string, most: number): FieldError {
  return { reason: "FieldValueTooLong", field, detail: `may not be more than ${most} bytes` };
}

export function tooMany(field: string, count: number, most: number): FieldError {
  return { reason: "FieldValueTooMany", field, detail: `${count}: must have at most ${most} items` };
}

/** `spec.containers[0].image: Required value`. */
export function messageOf({ field, ...error }: FieldError): string {
  return `${field}: ${bodyOf(error)}`;
}

/** The answer to a request whose object is not valid: 422. */
export function invalidObject(
  type: Pick<ResourceType, "group" | "kind">,
  name: string,
  errors: readonly FieldError[],
): ApiError {
  const kind = type.group === "" ? type.kind : `${type.kind}.${type.group}`;
  const messages = [...new Set(errors.map(messageOf))];
  const [only = ""] = messages;
  const text = messages.length === 1 ? only : `[${messages.join(", ")}]`;
  const causes: StatusCause[] = errors.map((error) => ({
    reason: error.reason,
    message: bodyOf(error),
    field: error.field,
  }));
  const group = type.group === "" ? {} : { group: type.group };
  return new ApiError("Invalid", `${kind} "${name}" is invalid: ${text}`, {
    name,
    ...group,
    kind: type.kind,
    causes,
  });
}

function bodyOf({ reason, detail }: Omit<FieldError, "field">): string {
  return detail === "" ? words[reason] : `${words[reason]}: ${detail}`;
}

/** A value in a message: text in quotes, everything else as JSON; long ones cut. */
function shown(value: unknown): string {
  const text = value === undefined ? "null" : JSON.stringify(value);
  return text.length <= maxShownLength ? text : `${text.slice(0, maxShownLength)}…`;
}

const maxShownLength = 400;
