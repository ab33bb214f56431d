/**
 * What messages with Kubernetes objects mostly consist of: under the word `deflate.1` both sides' deflate begins with
 * it, so that even the first message is small. Written by hand after the objects that a hub and its nodes exchange,
 * their fields in the order in which Go and `kubectl` write them, values where there is a usual one. The most frequent
 * stand last, where deflate reaches them with the shortest distance. A change needs another word.
 */
const parts = [
  // Devices and their twins.
  `{"apiVersion":"devices.kubeedge.io/v1beta1","kind":"Device","metadata":{"labels":{},"spec":{"deviceModelRef":{"name":"`,
  `"},"nodeName":"","protocol":{"protocolName":"modbus","configData":{}},"properties":[{"name":"","desired":{"value":"`,
  `","metadata":{"timestamp":"","type":"string"}},"reported":{"value":"`,
  `"}],"status":{"twins":[{"propertyName":"","observedDesired":{"value":"","event_id":"","device/twin/edge_updated`,
  // Nodes, leases, events.
  `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","spec":{"holderIdentity":"","leaseDurationSeconds":40,"renewTime":"`,
  `{"kind":"Node","apiVersion":"v1","metadata":{"labels":{"beta.kubernetes.io/arch":"amd64","kubernetes.io/arch":"arm64",`,
  `"kubernetes.io/hostname":"","kubernetes.io/os":"linux","node-role.kubernetes.io/agent":"","node-role.kubernetes.io/edge":""`,
  `"status":{"capacity":{"cpu":"4","ephemeral-storage":"","hugepages-2Mi":"0","memory":"Ki","pods":"110"},"allocatable":{`,
  `"conditions":[{"type":"MemoryPressure","status":"False","lastHeartbeatTime":"","reason":"KubeletHasSufficientMemory",`,
  `"message":"kubelet has sufficient memory available"},{"type":"DiskPressure","reason":"KubeletHasNoDiskPressure"`,
  `"PIDPressure","reason":"EdgeReady","message":"edge is posting ready status"`,
  `"addresses":[{"type":"InternalIP","address":"","type":"Hostname","daemonEndpoints":{"kubeletEndpoint":{"Port":10350}},`,
  `"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"containerd://`,
  `","kubeletVersion":"v1.","kubeProxyVersion":"","operatingSystem":"linux","architecture":"amd64"},"images":[{"names":["`,
  // Services and workloads.
  `{"kind":"Service","spec":{"ports":[{"protocol":"TCP","port":80,"targetPort":8080}],"selector":{"clusterIP":"",`,
  `"sessionAffinity":"None","type":"ClusterIP"},"subsets":[{"addresses":[{"ip":"","targetRef":{"kind":"Pod","namespace":"`,
  // Pods: what runs, and how it is.
  `{"podIP":"","podIPs":[{"ip":"","startTime":"","containerStatuses":[{"name":"","state":{"running":{"startedAt":"`,
  `"lastState":{"terminated":{"exitCode":0,"reason":"Completed","finishedAt":"","waiting":{"reason":"ContainerCreating"}},`,
  `"ready":true,"restartCount":0,"image":"","imageID":"sha256:","containerID":"containerd://","started":true}],"qosClass":"Burstable"`,
  `"status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"`,
  `"type":"Initialized","type":"ContainersReady","reason":"ContainersNotReady","message":"containers with unready status: [`,
  `"livenessProbe":{"httpGet":{"path":"/healthz","port":8080,"scheme":"HTTP"},"initialDelaySeconds":10,"timeoutSeconds":1,`,
  `"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"readinessProbe":{"tcpSocket":{"exec":{"command":["`,
  `"initContainers":[{"hostNetwork":true,"volumes":[{"name":"","hostPath":{"path":"/var/lib/","type":"DirectoryOrCreate"},`,
  `"emptyDir":{},"configMap":{"name":"","items":[{"key":"","path":"","defaultMode":420}},{"secret":{"secretName":"`,
  `"kube-api-access-","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{`,
  `"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace",`,
  `"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}]`,
  `"containers":[{"name":"","image":"docker.io/library/","command":["/bin/sh","-c","args":["--","ports":[{"name":"http",`,
  `"containerPort":8080,"protocol":"TCP"}],"env":[{"name":"","value":"","valueFrom":{"fieldRef":{"configMapKeyRef":{"secretKeyRef":{`,
  `"envFrom":[{"configMapRef":{"name":"","resources":{"limits":{"cpu":"100m","memory":"128Mi"},"requests":{"cpu":"50m","memory":"64Mi"}},`,
  `"volumeMounts":[{"name":"","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],`,
  `"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent",`,
  `"securityContext":{"runAsNonRoot":true,"privileged":false}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,`,
  `"dnsPolicy":"ClusterFirst","nodeSelector":{"serviceAccountName":"default","serviceAccount":"default","nodeName":"","securityContext":{},`,
  `"schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists",`,
  `"effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute"}],`,
  `"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}`,
  // What every object has.
  `"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","kind":"DaemonSet","name":"","uid":"","controller":true,"blockOwnerDeletion":true}]`,
  `"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\\"apiVersion\\":\\"v1\\",\\"kind\\":\\"\\"metadata\\":{\\"name\\":\\"`,
  `"managedFields":[{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"v1","time":"`,
  `","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:metadata":{"f:annotations":{"f:labels":{"f:spec":{"f:`,
  `{"kind":"Secret","apiVersion":"v1","type":"Opaque","kubernetes.io/dockerconfigjson","immutable":true`,
  `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"","generateName":"","labels":{"app":"","app.kubernetes.io/name":"`,
  `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"","namespace":"default","uid":"","resourceVersion":"`,
  `","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{"data":{"config.yaml":"`,
  // What stands around it in the packed form.
  "\u0012\u0005edged\u0012\u0004meta\u001a\u0006update\u001a\u0005patch\u0022default/nodestatus/default/podstatus/\u0000lease/kube-node-lease/",
  "\u000eedgecontroller\u0012\u0008resource\u001a\u0006delete\u001a\u0008response\u001a\u0006insert\u0022default/secret/default/pod/",
  "\u000a\u000eedgecontroller\u0012\u0008resource\u001a\u0006update\u0022\u0015default/configmap/",
];

export const kubernetesDictionary: Uint8Array = new TextEncoder().encode(parts.join(""));
