#!/usr/bin/env node
// Looks at the Node.js version before anything is loaded that an old one would crash on.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 14)) {
  process.stderr.write(
    `edgehub needs Node.js 22.14 or later, this is ${process.version}: install a newer one\n`,
  );
  process.exit(78);
}
const { saveMemory } = await import("../platform/compilers.ts");
const { leaveOutLong } = await import("../platform/long-stub.ts");
saveMemory();
leaveOutLong();
const { main } = await import("./program.ts");
await main(process.argv.slice(2));

export {};
