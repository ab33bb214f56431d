import { singleLine } from "../platform/table.ts";
import { type ErrorCode, HubError } from "../sdk/index.ts";

/** How the program can end; `--help` tells them too. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  notAllowed: 5,
  interrupted: 130,
} as const;

export const exitCodeHelp = `Exit codes:
  0  done
  1  something failed; what, is on standard error
  2  the command line, a manifest or a value cannot be used
  3  no such node, resource, message, token or controller
  4  the hub cannot be reached, or does not answer in time
  5  not allowed: the token or certificate is wrong, expired or revoked, or its rights do not cover this
  130  interrupted with Ctrl-C`;

const codesOfExit: Readonly<
  Record<"usage" | "notFound" | "unreachable" | "notAllowed", readonly ErrorCode[]>
> = {
  usage: [
    "E_BAD_OPTION",
    "E_BAD_MESSAGE",
    "E_BAD_OPERATION",
    "E_BAD_RESOURCE",
    "E_BAD_VERSION",
    "E_NO_NODE",
    "E_TOO_LARGE",
  ],
  notFound: ["E_UNKNOWN_NODE", "E_NOT_FOUND"],
  unreachable: ["E_TIMEOUT", "E_LINK_LOST", "E_PEER_SILENT", "E_CLOSED", "E_UNSUPPORTED"],
  notAllowed: ["E_FORBIDDEN", "E_BAD_TOKEN", "E_TOKEN_EXPIRED", "E_REVOKED", "E_IDENTITY"],
};

/** The exit code for an error's code. */
export function exitCodeOf(code: ErrorCode): number {
  if (code === "E_ABORTED") return exitCodes.interrupted;
  for (const [exit, codes] of Object.entries(codesOfExit)) {
    if (codes.includes(code)) return exitCodes[exit as keyof typeof codesOfExit];
  }
  return exitCodes.failed;
}

const steps: Partial<Record<ErrorCode, string>> = {
  E_UNKNOWN_NODE: "see the nodes with: hubctl nodes list",
  E_NO_NODE: "see the nodes with: hubctl nodes list",
  E_TIMEOUT: "is the hub running, and is this its address? See its log, or raise --timeout",
  E_LINK_LOST: "is the hub running, and is this its address?",
  E_UNSUPPORTED: "give the address of a hub's API, by default port 10005",
  E_IDENTITY:
    "the hub's certificate is not of the CA given here, or is not for this address: give the right --ca, or an address in the hub's `advertise`",
  E_BAD_TOKEN: "use the token that `hubctl controller create` printed, or the hub's own admin.json",
  E_TOKEN_EXPIRED: "an administrator makes a new one with: hubctl controller create NAME --replace",
  E_REVOKED: "an administrator makes a new one with: hubctl controller create NAME --replace",
  E_FORBIDDEN: "an administrator can widen the rights with: hubctl controller create NAME --replace",
  E_BACKLOG_FULL:
    "wait until the node has caught up (hubctl queue list NODE), or raise the hub's limits.backlogMessages",
  E_REFUSED: "see why with: hubctl queue list NODE; after a repair: hubctl queue requeue NODE",
  E_EXPIRED: "publish it again with a longer time to live, or when the node is connected",
  E_TOO_LARGE: "make it smaller, or raise the hub's limits.messageBytes",
  E_STORAGE_FULL: "free space on the hub's disk; nothing was accepted that is not stored",
  E_OUTBOX_FULL: "publish fewer at once",
  E_INTERNAL: "look into the hub's log",
};

/** What to do about an error; `undefined` if its own text says so, or nobody knows. */
export function nextStepOf(error: HubError): string | undefined {
  return error.message.includes("hubctl ") ? undefined : steps[error.code];
}

/** An error in words: the code, the text, and below it what to do. */
export function failureLines(error: HubError): string[] {
  const step = nextStepOf(error);
  // A node or a hub may have written the text.
  return [
    `hubctl: ${error.code}: ${singleLine(error.message)}`,
    ...(step === undefined ? [] : [`  ${step}`]),
  ];
}

/** Any error as a HubError; the fault of this program as `E_INTERNAL`. */
export function hubErrorOf(error: unknown): HubError {
  if (error instanceof HubError) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new HubError("E_INTERNAL", `a fault in hubctl: ${words}`, { cause: error });
}
