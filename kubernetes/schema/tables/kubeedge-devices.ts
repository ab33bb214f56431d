/** Devices. Source: CustomResourceDefinitions of KubeEdge. */
export const devicesTable = `
package io.kubeedge.devices.v1beta1

DeviceModel kind # What devices of a type have in common.
  spec DeviceModelSpec

DeviceModelSpec
  properties []ModelProperty # What such devices measure or can be told.
  protocol string # The protocol of the mapper.
  protocolConfigData {}any

ModelProperty
  accessMode string enum=ReadWrite|ReadOnly # Whether the value can be written.
  description string
  maximum string # Greatest value.
  minimum string # Least value.
  name string
  type string enum=INT|FLOAT|DOUBLE|STRING|BOOLEAN|BYTES|STREAM # Type of the value.
  unit string # Unit of the value.
  visitors {}any

Device kind # A device at a node.
  spec DeviceSpec
  status DeviceReport

DeviceSpec
  deviceModelRef DeviceModelReference # The DeviceModel, in the same namespace.
  methods []DeviceMethod # What can be called on the device.
  nodeName string # The node that the device is connected to.
  properties []DeviceProperty # The properties of this device: what is desired, how they are reached, where values go.
  protocol ProtocolConfig # How the mapper reaches the device.
  stateReport StateReport

DeviceModelReference
  name string

DeviceMethod
  description string
  name string
  propertyNames []string

StateReport
  reportCycle int64
  reportToCloud bool

DeviceProperty
  collectCycle int64 # Milliseconds between measurements.
  desired TwinProperty # The value that the property shall have.
  name string
  pushMethod PushMethod # Where the mapper sends values beside the cloud.
  reportCycle int64 # Milliseconds between reports.
  reportToCloud bool # Whether values are reported to the cloud.
  visitors ProtocolConfig # How the mapper reaches the property.

ProtocolConfig
  configData {}any # Settings of the protocol, as its mapper knows them.
  protocolName string # Name of the protocol.

PushMethod
  anomalyDetection {}any
  dbMethod DatabaseMethod
  http HTTPPush
  mqtt MQTTPush
  otel OTELPush

HTTPPush
  hostName string
  port int64
  requestPath string
  timeout int64

MQTTPush
  address string
  qos int32
  retained bool
  topic string

OTELPush
  endpointURL string

DatabaseMethod
  Kwdb KwdbMethod
  TDEngine TDEngineMethod
  influxdb2 Influxdb2Method
  mysql MySQLMethod
  redis RedisMethod

KwdbMethod
  KWDBClientConfig NamedDatabase

TDEngineMethod
  TDEngineClientConfig NamedDatabase

NamedDatabase
  addr string
  dbName string

Influxdb2Method
  influxdb2ClientConfig Influxdb2Client
  influxdb2DataConfig Influxdb2Data

Influxdb2Client
  bucket string
  org string
  url string

Influxdb2Data
  fieldKey string
  measurement string
  tag {}string

MySQLMethod
  mysqlClientConfig MySQLClient

MySQLClient
  addr string
  database string
  userName string

RedisMethod
  redisClientConfig RedisClient

RedisClient
  addr string
  db int
  minIdleConns int
  poolsize int

TwinProperty
  metadata {}string # For example timestamp and type.
  value! string # The value, as text.

Twin
  observedDesired TwinProperty
  propertyName string
  reported TwinProperty

DeviceReport open
  lastOnlineTime string
  reportCycle int64
  reportToCloud bool
  state string
  twins []Twin

DeviceStatus kind # What is known of a device: what it reported, whether it is online.
  spec {}any
  status DeviceStatusReport

DeviceStatusReport
  extensions {}any
  lastOnlineTime string
  state string
  twins []Twin
`;
