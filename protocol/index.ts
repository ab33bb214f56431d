/**
 * The language both sides speak: message model, dialects, delivery decisions. Pure and synchronous: no I/O,
 * no clock, no random source; what a function needs is an argument.
 */
export * from "./backoff.ts";
export * from "./byte-budget.ts";
export * from "./calls.ts";
export * from "./codec.ts";
export * from "./delivery.ts";
export * from "./delivery-queue.ts";
export * from "./errors.ts";
export * from "./filter.ts";
export * from "./frame.ts";
export * from "./handshake.ts";
export * from "./hub-api.ts";
export * from "./join-token.ts";
export * from "./keepalive.ts";
export { KubeEdgeCloudCodec, KubeEdgeEdgeCodec, type Stamp } from "./kubeedge-codec.ts";
export { kubernetesDictionary } from "./kubernetes-dictionary.ts";
export * from "./message.ts";
export * from "./message-store.ts";
export { NativeCodec, nativeDialect } from "./native-codec.ts";
export * from "./operation.ts";
export * from "./pacer.ts";
export { packMessage, unpackMessage } from "./packed-codec.ts";
export * from "./pod-logs.ts";
export * from "./resource.ts";
export * from "./resume.ts";
export * from "./rights.ts";
export * from "./rollout.ts";
export * from "./short-forms.ts";
export * from "./topic.ts";
export * from "./version.ts";
export * from "./window-control.ts";
