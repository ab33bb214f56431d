import { defineConfig } from "vitest/config";
import { PlainSummary } from "./tools/plain-summary.ts";

/**
 * The writer's thread of each hub has Node.js read TypeScript, which takes a WebAssembly program. V8 13 sometimes dies
 * there when it replaces the wrapper of a call out of WebAssembly (`WasmImportWrapperCache::Free`), and tests start
 * many hubs in one process. With this budget no wrapper is ever replaced.
 */
const execArgv = ["--wasm-wrapper-tiering-budget=1000000000"];

/** Unit tests run in parallel; tests with real processes and sockets one file after the other. */
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
        },
      },
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts", "test/interop/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          execArgv,
          fileParallelism: false,
        },
      },
    ],
  },
});
