import { HubError } from "./errors.ts";

/**
 * A join token in text form: `<hash of the hub's CA>.<JWT>`, four parts between dots in all.
 * The hash is the lower-case hex SHA-256 over the CA certificate's DER, so that a machine can check the hub
 * before it trusts anything else. Source: KubeEdge join token.
 */
export interface JoinToken {
  readonly caHash: string;
  /** What goes into `Authorization: Bearer`. */
  readonly jwt: string;
}

const shape = /^([0-9a-f]{64})\.([\w-]+\.[\w-]+\.[\w-]*)$/;

/** Throws `E_BAD_TOKEN`; the text never shows up in the error. */
export function parseJoinToken(text: string): JoinToken {
  const parts = shape.exec(text.trim());
  if (parts?.[1] === undefined || parts[2] === undefined) {
    throw new HubError(
      "E_BAD_TOKEN",
      "a join token has the form <64 hex digits>.<header>.<claims>.<signature>",
    );
  }
  return { caHash: parts[1], jwt: parts[2] };
}

export function formatJoinToken(token: JoinToken): string {
  return `${token.caHash}.${token.jwt}`;
}
