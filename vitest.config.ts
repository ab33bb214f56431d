import { defineConfig } from "vitest/config";
import { PlainSummary } from "./tools/plain-summary.ts";

/**
 * The writer's thread of each hub has Node.js read TypeScript, which takes a WebAssembly program. V8 13 sometimes dies
 * there when it replaces the wrapper of a call out of WebAssembly (`WasmImportWrapperCache::Free`), and tests start
 * many hubs in one process. With this budget no wrapper is ever replaced.
 */
const execArgv = ["--wasm-wrapper-tiering-budget=1000000000"];

/** These write dist/: one after the other, while nobody else reads there. */
const building = ["test/system/demo.test.ts", "test/system/package.test.ts"];
const withProcesses = { testTimeout: 120_000, hookTimeout: 60_000, execArgv };

/** Unit tests on all processors; then tests with real processes and sockets, two files at a time; then what builds. */
export default defineConfig({
  test: {
    reporters: ["default", new PlainSummary()],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/system/**", "test/interop/**"],
          testTimeout: 20_000,
          execArgv,
          maxWorkers: "100%",
        },
      },
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts", "test/interop/**/*.test.ts"],
          exclude: building,
          ...withProcesses,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "build",
          include: building,
          ...withProcesses,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
