import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const loads = `
  const { loadWebTransport } = await import("./transport/webtransport-package.ts");
  const loading = loadWebTransport();
  console.log("heard meanwhile");
  console.error("and this");
  const { log, error } = console;
  await loading;
  if (console.log === log || console.error === error) console.log("the console was not given back");
  console.log("Problem loading http3-quiche transport, says somebody else");
`;

it("says nothing on the console when it is loaded, and keeps nobody else quiet", async () => {
  const root = new URL("../..", import.meta.url);
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", loads], { cwd: root });
  const { stdout, stderr } = await run;
  expect(stdout).toBe("heard meanwhile\nProblem loading http3-quiche transport, says somebody else\n");
  expect(stderr.split("\n").filter((line) => !/ExperimentalWarning|--trace-warnings/.test(line))).toEqual([
    "and this",
    "",
  ]);
});
