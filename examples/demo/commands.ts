import { join, resolve } from "node:path";

/** The commands that the demo prints; they work when pasted into a shell, in any directory. */

const root = resolve(import.meta.dirname, "../..");
export const hubProgram = join(root, "dist/cloudhub/main.js");
export const agentProgram = join(root, "dist/edgehub/main.js");
const hubctlProgram = join(root, "dist/cli/main.js");

function lookFurther(directory: string): string {
  const node = quoted(process.execPath);
  const data = quoted(join(directory, "edge"));
  const onNode = (words: string): string => `${node} ${quoted(agentProgram)} ${words} --data-dir ${data}`;
  return `  export HUBCTL_CONFIG=${quoted(join(directory, "hub/admin.json"))}
  hubctl() { ${node} ${quoted(hubctlProgram)} "$@"; }
  hubctl nodes list
  hubctl get edge-1 pod
  hubctl where edge-1 factory/configmap/line-7-limits
  hubctl publish -f ${quoted(join(root, "examples/manifests/configmap-line-limits.yaml"))} --node edge-1 --until acked
  hubctl --help
  ${onNode("get pods")}
  ${onNode("get devices")}
  ${onNode("get 'factory/*'")}
  ${onNode("logs factory/parts-counter --tail 3")}`;
}

/** While hub and agent are kept. */
export function commandsToLookFurther(directory: string): string {
  return `
Hub, agent, pod and service go on running. In another terminal:

${lookFurther(directory)}

Ctrl-C here stops all of them and removes ${directory}.`;
}

/** After everything was stopped. */
export function commandsToRunAgain(directory: string): string {
  return `
Everything that was started is stopped, and its data is removed. To look around, start it again and keep it:

  cd ${quoted(root)} && npm run demo -- --keep --dir ${quoted(directory)}

and when it says so, in another terminal:

${lookFurther(directory)}
`;
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
