import { contentOf, type Message } from "../../protocol/index.ts";
import { type Json, objectOf, textOf } from "./fields.ts";

/** What the cloud said: an object, or why not. Pure. Source: KubeEdge's ObjectResp, and its bare status errors. */
export type CloudAnswer =
  | { readonly object: Json; readonly error: undefined }
  | { readonly object: undefined; readonly error: { readonly reason: string; readonly message: string } };

/** Reads an answer in any of its three forms: `{Object, Err}`, `{ErrStatus}`, or the object itself. */
export function cloudAnswer(message: Message): CloudAnswer {
  const content = contentOf(message);
  const whole = objectOf(content);
  if (message.operation === "error") return failed({ message: textOf(content, "error") });
  if ("ErrStatus" in whole) return failed(whole.ErrStatus);
  if (!("Object" in whole && "Err" in whole)) return { object: whole, error: undefined };
  const error = objectOf(objectOf(whole.Err).ErrStatus);
  if (textOf(error.status) === "Failure" || textOf(error.reason) !== "") return failed(error);
  return { object: objectOf(whole.Object), error: undefined };
}

function failed(status: unknown): CloudAnswer {
  const { reason, message } = objectOf(status);
  return {
    object: undefined,
    error: { reason: textOf(reason, "Unknown"), message: textOf(message).slice(0, 500) },
  };
}
