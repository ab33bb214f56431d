/** Persistent volumes and claims to them. Source: Kubernetes API reference. */
export const persistentVolumeTable = `
package io.k8s.api.core.v1

PersistentVolume kind
  spec PersistentVolumeSpec
  status PersistentVolumeStatus default={}

PersistentVolumeSpec
  accessModes []string
  awsElasticBlockStore AWSElasticBlockStoreVolumeSource
  azureDisk AzureDiskVolumeSource
  azureFile AzureFilePersistentVolumeSource
  capacity {}quantity
  cephfs CephFSPersistentVolumeSource
  cinder CinderPersistentVolumeSource
  claimRef ObjectReference
  csi CSIPersistentVolumeSource
  fc FCVolumeSource
  flexVolume FlexPersistentVolumeSource
  flocker FlockerVolumeSource
  gcePersistentDisk GCEPersistentDiskVolumeSource
  glusterfs GlusterfsPersistentVolumeSource
  hostPath HostPathVolumeSource
  iscsi ISCSIPersistentVolumeSource
  local LocalVolumeSource
  mountOptions []string
  nfs NFSVolumeSource
  nodeAffinity VolumeNodeAffinity
  persistentVolumeReclaimPolicy string enum=Delete|Recycle|Retain default=Retain
  photonPersistentDisk PhotonPersistentDiskVolumeSource
  portworxVolume PortworxVolumeSource
  quobyte QuobyteVolumeSource
  rbd RBDPersistentVolumeSource
  scaleIO ScaleIOPersistentVolumeSource
  storageClassName string
  storageos StorageOSPersistentVolumeSource
  volumeAttributesClassName string
  volumeMode string enum=Block|Filesystem default=Filesystem
  vsphereVolume VsphereVirtualDiskVolumeSource

AzureFilePersistentVolumeSource
  readOnly bool
  secretName! string
  secretNamespace string
  shareName! string

CephFSPersistentVolumeSource
  monitors! []string
  path string
  readOnly bool
  secretFile string
  secretRef SecretReference
  user string

CinderPersistentVolumeSource
  fsType string
  readOnly bool
  secretRef SecretReference
  volumeID! string

CSIPersistentVolumeSource
  controllerExpandSecretRef SecretReference
  controllerPublishSecretRef SecretReference
  driver! string
  fsType string
  nodeExpandSecretRef SecretReference
  nodePublishSecretRef SecretReference
  nodeStageSecretRef SecretReference
  readOnly bool
  volumeAttributes {}string
  volumeHandle! string

FlexPersistentVolumeSource
  driver! string
  fsType string
  options {}string
  readOnly bool
  secretRef SecretReference

GlusterfsPersistentVolumeSource
  endpoints! string
  endpointsNamespace string
  path! string
  readOnly bool

ISCSIPersistentVolumeSource
  chapAuthDiscovery bool
  chapAuthSession bool
  fsType string
  initiatorName string
  iqn! string
  iscsiInterface string default=default
  lun! int32
  portals []string
  readOnly bool
  secretRef SecretReference
  targetPortal! string

LocalVolumeSource
  fsType string
  path! string

VolumeNodeAffinity
  required NodeSelector

RBDPersistentVolumeSource
  fsType string
  image! string
  keyring string default=/etc/ceph/keyring
  monitors! []string
  pool string default=rbd
  readOnly bool
  secretRef SecretReference
  user string default=admin

ScaleIOPersistentVolumeSource
  fsType string default=xfs
  gateway! string
  protectionDomain string
  readOnly bool
  secretRef! SecretReference
  sslEnabled bool
  storageMode string default=ThinProvisioned
  storagePool string
  system! string
  volumeName string

StorageOSPersistentVolumeSource
  fsType string
  readOnly bool
  secretRef ObjectReference
  volumeName string
  volumeNamespace string

PersistentVolumeStatus
  lastPhaseTransitionTime time
  message string
  phase string default=Pending
  reason string

PersistentVolumeClaim kind
  spec PersistentVolumeClaimSpec
  status PersistentVolumeClaimStatus default={}

PersistentVolumeClaimSpec
  accessModes []string
  dataSource TypedLocalObjectReference
  dataSourceRef TypedObjectReference
  resources VolumeResourceRequirements default={}
  selector meta.LabelSelector
  storageClassName string
  volumeAttributesClassName string
  volumeMode string enum=Block|Filesystem default=Filesystem
  volumeName string

VolumeResourceRequirements
  limits {}quantity
  requests {}quantity

PersistentVolumeClaimStatus
  accessModes []string
  allocatedResourceStatuses {}string
  allocatedResources {}quantity
  capacity {}quantity
  conditions []PersistentVolumeClaimCondition keys=type merge=type
  currentVolumeAttributesClassName string
  modifyVolumeStatus ModifyVolumeStatus
  phase string default=Pending

PersistentVolumeClaimCondition
  lastProbeTime time
  lastTransitionTime time
  message string
  reason string
  status! string
  type! string

ModifyVolumeStatus
  status! string
  targetVolumeAttributesClassName string
`;
