/** Containers of a pod. Source: Kubernetes API reference. */
export const containerTable = `
package io.k8s.api.core.v1

Container
  args []string # Arguments of what runs.
  command []string # What runs instead of the entry point of the image.
  env []EnvVar keys=name merge=name # Environment variables.
  envFrom []EnvFromSource # ConfigMaps and Secrets whose keys become environment variables.
  image string # The image, with registry and tag.
  imagePullPolicy string enum=Always|IfNotPresent|Never # When the image is pulled; default: Always for the tag latest, else IfNotPresent.
  lifecycle Lifecycle
  livenessProbe Probe # Says whether the container must be restarted.
  name! string # Unique in the pod.
  ports []ContainerPort keys=containerPort,protocol merge=containerPort # Ports that the container listens on.
  readinessProbe Probe # Says whether the container can be used.
  resizePolicy []ContainerResizePolicy
  resources ResourceRequirements default={} # What the container needs, and what it may use at most.
  restartPolicy string
  restartPolicyRules []ContainerRestartRule
  securityContext SecurityContext # Rights of the container.
  startupProbe Probe # Says when the container has started; before that the other probes wait.
  stdin bool
  stdinOnce bool
  terminationMessagePath string default=/dev/termination-log
  terminationMessagePolicy string enum=FallbackToLogsOnError|File default=File
  tty bool
  volumeDevices []VolumeDevice keys=devicePath merge=devicePath
  volumeMounts []VolumeMount keys=mountPath merge=mountPath # Where volumes appear in the container.
  workingDir string

EphemeralContainer
  args []string
  command []string
  env []EnvVar keys=name merge=name
  envFrom []EnvFromSource
  image string
  imagePullPolicy string enum=Always|IfNotPresent|Never
  lifecycle Lifecycle
  livenessProbe Probe
  name! string
  ports []ContainerPort keys=containerPort,protocol merge=containerPort
  readinessProbe Probe
  resizePolicy []ContainerResizePolicy
  resources ResourceRequirements default={}
  restartPolicy string
  restartPolicyRules []ContainerRestartRule
  securityContext SecurityContext
  startupProbe Probe
  stdin bool
  stdinOnce bool
  targetContainerName string
  terminationMessagePath string default=/dev/termination-log
  terminationMessagePolicy string enum=FallbackToLogsOnError|File default=File
  tty bool
  volumeDevices []VolumeDevice keys=devicePath merge=devicePath
  volumeMounts []VolumeMount keys=mountPath merge=mountPath
  workingDir string

EnvVar
  name! string # Name of the variable.
  value string # Its value; $(NAME) stands for another variable.
  valueFrom EnvVarSource # Where its value comes from instead.

EnvVarSource
  configMapKeyRef ConfigMapKeySelector
  fieldRef ObjectFieldSelector
  fileKeyRef FileKeySelector
  resourceFieldRef ResourceFieldSelector
  secretKeyRef SecretKeySelector

ConfigMapKeySelector atomic
  key! string
  name string
  optional bool

ObjectFieldSelector atomic
  apiVersion string default=v1
  fieldPath! string

FileKeySelector atomic
  key! string
  optional bool default=false
  path! string
  volumeName! string

ResourceFieldSelector atomic
  containerName string
  divisor quantity default="0"
  resource! string

SecretKeySelector atomic
  key! string
  name string
  optional bool

EnvFromSource
  configMapRef ConfigMapEnvSource
  prefix string
  secretRef SecretEnvSource

ConfigMapEnvSource
  name string
  optional bool

SecretEnvSource
  name string
  optional bool

Lifecycle
  postStart LifecycleHandler
  preStop LifecycleHandler
  stopSignal string

LifecycleHandler
  exec ExecAction
  httpGet HTTPGetAction
  sleep SleepAction
  tcpSocket TCPSocketAction

ExecAction
  command []string

HTTPGetAction
  host string
  httpHeaders []HTTPHeader
  path string default=/
  port! intstr
  scheme string enum=HTTP|HTTPS default=HTTP

HTTPHeader
  name! string
  value string

SleepAction
  seconds! int64

TCPSocketAction
  host string
  port! intstr

Probe
  exec ExecAction
  failureThreshold int32 default=3
  grpc GRPCAction
  httpGet HTTPGetAction
  initialDelaySeconds int32
  periodSeconds int32 default=10
  successThreshold int32 default=1
  tcpSocket TCPSocketAction
  terminationGracePeriodSeconds int64
  timeoutSeconds int32 default=1

GRPCAction
  port! int32
  service string default=""

ContainerPort
  containerPort! int32 # Number of the port.
  hostIP string
  hostPort int32 # Number of the port on the node.
  name string
  protocol string enum=SCTP|TCP|UDP default=TCP

ContainerResizePolicy
  resourceName! string
  restartPolicy! string enum=NotRequired|RestartContainer

ResourceRequirements
  claims []ResourceClaim keys=name
  limits {}quantity # At most this much.
  requests {}quantity # At least this much; default: the limits.

ResourceClaim
  name! string
  request string

ContainerRestartRule
  action! string
  exitCodes ContainerRestartRuleOnExitCodes

ContainerRestartRuleOnExitCodes
  operator! string
  values []int32

SecurityContext
  allowPrivilegeEscalation bool
  appArmorProfile AppArmorProfile
  capabilities Capabilities
  privileged bool
  procMount string
  readOnlyRootFilesystem bool
  runAsGroup int64
  runAsNonRoot bool
  runAsUser int64
  seLinuxOptions SELinuxOptions
  seccompProfile SeccompProfile
  windowsOptions WindowsSecurityContextOptions

AppArmorProfile
  localhostProfile string
  type! string enum=Localhost|RuntimeDefault|Unconfined

Capabilities
  add []string
  drop []string

SELinuxOptions
  level string
  role string
  type string
  user string

SeccompProfile
  localhostProfile string
  type! string enum=Localhost|RuntimeDefault|Unconfined

WindowsSecurityContextOptions
  gmsaCredentialSpec string
  gmsaCredentialSpecName string
  hostProcess bool
  runAsUserName string

VolumeDevice
  devicePath! string
  name! string

VolumeMount
  mountPath! string # Path in the container.
  mountPropagation string enum=Bidirectional|HostToContainer|None
  name! string # Name of the volume.
  readOnly bool
  recursiveReadOnly string enum=Disabled|Enabled|IfPossible
  subPath string # A path in the volume to mount instead of all of it.
  subPathExpr string
`;
