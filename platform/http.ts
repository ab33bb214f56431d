/**
 * `node:http`, for programs that count their memory. An `import` of that module reads all its exports, and reading one of
 * them loads `fetch` with everything behind it: 13 MiB that nobody asked for. This reads none.
 */
export const http = process.getBuiltinModule("node:http");
