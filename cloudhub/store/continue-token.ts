import { ApiError } from "../../kubernetes/index.ts";

/** Where a list goes on: after which object, and as of which revision. */
export interface ContinueToken {
  readonly revision: number;
  /** `namespace/name` of the last object given. */
  readonly after: string;
}

const maxTokenLength = 1_024;

export function formatContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 1, rv: revision, after })).toString("base64url");
}

/** Throws `BadRequest` for what is no token of ours. */
export function parseContinue(token: string): ContinueToken {
  try {
    if (token.length > maxTokenLength) throw new RangeError("it is too long");
    const { v, rv, after } = JSON.parse(Buffer.from(token, "base64url").toString()) as Record<
      string,
      unknown
    >;
    if (v === 1 && Number.isSafeInteger(rv) && (rv as number) >= 0 && typeof after === "string")
      return { revision: rv as number, after };
  } catch {
    // Answered below, like any other text.
  }
  throw new ApiError("BadRequest", "continue is not a token that a list of this hub has given");
}
