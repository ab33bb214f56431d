/** What of `hubctl` other programs may use: reading Kubernetes manifests and making messages of them. */
export { draftOf, type Manifest, type ManifestOptions, manifestsOf } from "./manifests.ts";
