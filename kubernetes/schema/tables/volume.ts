/** Volumes of a pod. Source: Kubernetes API reference. */
export const volumeTable = `
package io.k8s.api.core.v1

Volume
  awsElasticBlockStore AWSElasticBlockStoreVolumeSource
  azureDisk AzureDiskVolumeSource
  azureFile AzureFileVolumeSource
  cephfs CephFSVolumeSource
  cinder CinderVolumeSource
  configMap ConfigMapVolumeSource
  csi CSIVolumeSource
  downwardAPI DownwardAPIVolumeSource
  emptyDir EmptyDirVolumeSource
  ephemeral EphemeralVolumeSource
  fc FCVolumeSource
  flexVolume FlexVolumeSource
  flocker FlockerVolumeSource
  gcePersistentDisk GCEPersistentDiskVolumeSource
  gitRepo GitRepoVolumeSource
  glusterfs GlusterfsVolumeSource
  hostPath HostPathVolumeSource
  image ImageVolumeSource
  iscsi ISCSIVolumeSource
  name! string
  nfs NFSVolumeSource
  persistentVolumeClaim PersistentVolumeClaimVolumeSource
  photonPersistentDisk PhotonPersistentDiskVolumeSource
  portworxVolume PortworxVolumeSource
  projected ProjectedVolumeSource
  quobyte QuobyteVolumeSource
  rbd RBDVolumeSource
  scaleIO ScaleIOVolumeSource
  secret SecretVolumeSource
  storageos StorageOSVolumeSource
  vsphereVolume VsphereVirtualDiskVolumeSource

ConfigMapVolumeSource
  defaultMode int32 default=420
  items []KeyToPath
  name string
  optional bool

KeyToPath
  key! string
  mode int32
  path! string

CSIVolumeSource
  driver! string
  fsType string
  nodePublishSecretRef LocalObjectReference
  readOnly bool
  volumeAttributes {}string

DownwardAPIVolumeSource
  defaultMode int32 default=420
  items []DownwardAPIVolumeFile

DownwardAPIVolumeFile
  fieldRef ObjectFieldSelector
  mode int32
  path! string
  resourceFieldRef ResourceFieldSelector

EmptyDirVolumeSource
  medium string
  sizeLimit quantity

EphemeralVolumeSource
  volumeClaimTemplate PersistentVolumeClaimTemplate

PersistentVolumeClaimTemplate
  metadata meta.ObjectMeta
  spec! PersistentVolumeClaimSpec

HostPathVolumeSource
  path! string
  type string enum=|BlockDevice|CharDevice|Directory|DirectoryOrCreate|File|FileOrCreate|Socket default=""

ImageVolumeSource
  pullPolicy string
  reference string

NFSVolumeSource
  path! string
  readOnly bool
  server! string

PersistentVolumeClaimVolumeSource
  claimName! string
  readOnly bool

ProjectedVolumeSource
  defaultMode int32 default=420
  sources []VolumeProjection

VolumeProjection
  clusterTrustBundle ClusterTrustBundleProjection
  configMap ConfigMapProjection
  downwardAPI DownwardAPIProjection
  podCertificate PodCertificateProjection
  secret SecretProjection
  serviceAccountToken ServiceAccountTokenProjection

ClusterTrustBundleProjection
  labelSelector meta.LabelSelector
  name string
  optional bool
  path! string
  signerName string

ConfigMapProjection
  items []KeyToPath
  name string
  optional bool

DownwardAPIProjection
  items []DownwardAPIVolumeFile

PodCertificateProjection
  certificateChainPath string
  credentialBundlePath string
  keyPath string
  keyType! string
  maxExpirationSeconds int32
  signerName! string
  userAnnotations {}string

SecretProjection
  items []KeyToPath
  name string
  optional bool

ServiceAccountTokenProjection
  audience string
  expirationSeconds int64 default=3600
  path! string

SecretVolumeSource
  defaultMode int32 default=420
  items []KeyToPath
  optional bool
  secretName string

FCVolumeSource
  fsType string
  lun int32
  readOnly bool
  targetWWNs []string
  wwids []string

FlexVolumeSource
  driver! string
  fsType string
  options {}string
  readOnly bool
  secretRef LocalObjectReference

ISCSIVolumeSource
  chapAuthDiscovery bool
  chapAuthSession bool
  fsType string
  initiatorName string
  iqn! string
  iscsiInterface string default=default
  lun! int32
  portals []string
  readOnly bool
  secretRef LocalObjectReference
  targetPortal! string
`;
