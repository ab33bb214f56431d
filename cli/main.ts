#!/usr/bin/env node
// Looks at the Node.js version before anything is loaded that an old one would crash on.
if (Number(process.versions.node.split(".")[0]) < 22) {
  process.stderr.write(
    `hubctl: E_NODE_VERSION: needs Node.js 22 or later, this is ${process.version}: install a newer one\n`,
  );
  process.exit(78);
}
const { main } = await import("./program.ts");
process.exit(await main(process.argv.slice(2)));

export {};
