/** Volumes that storage systems hold. Source: Kubernetes API reference. */
export const cloudVolumeTable = `
package io.k8s.api.core.v1

AWSElasticBlockStoreVolumeSource
  fsType string
  partition int32
  readOnly bool
  volumeID! string

AzureDiskVolumeSource
  cachingMode string default=ReadWrite
  diskName! string
  diskURI! string
  fsType string default=ext4
  kind string default=Shared
  readOnly bool default=false

AzureFileVolumeSource
  readOnly bool
  secretName! string
  shareName! string

CephFSVolumeSource
  monitors! []string
  path string
  readOnly bool
  secretFile string
  secretRef LocalObjectReference
  user string

CinderVolumeSource
  fsType string
  readOnly bool
  secretRef LocalObjectReference
  volumeID! string

FlockerVolumeSource
  datasetName string
  datasetUUID string

GCEPersistentDiskVolumeSource
  fsType string
  partition int32
  pdName! string
  readOnly bool

GitRepoVolumeSource
  directory string
  repository! string
  revision string

GlusterfsVolumeSource
  endpoints! string
  path! string
  readOnly bool

PhotonPersistentDiskVolumeSource
  fsType string
  pdID! string

PortworxVolumeSource
  fsType string
  readOnly bool
  volumeID! string

QuobyteVolumeSource
  group string
  readOnly bool
  registry! string
  tenant string
  user string
  volume! string

RBDVolumeSource
  fsType string
  image! string
  keyring string default=/etc/ceph/keyring
  monitors! []string
  pool string default=rbd
  readOnly bool
  secretRef LocalObjectReference
  user string default=admin

ScaleIOVolumeSource
  fsType string default=xfs
  gateway! string
  protectionDomain string
  readOnly bool
  secretRef! LocalObjectReference
  sslEnabled bool
  storageMode string default=ThinProvisioned
  storagePool string
  system! string
  volumeName string

StorageOSVolumeSource
  fsType string
  readOnly bool
  secretRef LocalObjectReference
  volumeName string
  volumeNamespace string

VsphereVirtualDiskVolumeSource
  fsType string
  storagePolicyID string
  storagePolicyName string
  volumePath! string
`;
