/** What we need from Node.js; no hub or edge words in here. */
export * from "./clock.ts";
export * from "./config.ts";
export * from "./instance-lock.ts";
export * from "./logger.ts";
export * from "./sqlite.ts";
export * from "./writer.ts";
