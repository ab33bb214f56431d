/** Devices. Source: CustomResourceDefinitions of KubeEdge. */
export const devicesTable = `
package io.kubeedge.devices.v1beta1

DeviceModel kind
  spec DeviceModelSpec

DeviceModelSpec
  properties []ModelProperty
  protocol string
  protocolConfigData {}any

ModelProperty
  accessMode string enum=ReadWrite|ReadOnly
  description string
  maximum string
  minimum string
  name string
  type string enum=INT|FLOAT|DOUBLE|STRING|BOOLEAN|BYTES|STREAM
  unit string
  visitors {}any

Device kind
  spec DeviceSpec
  status DeviceReport

DeviceSpec
  deviceModelRef DeviceModelReference
  methods []DeviceMethod
  nodeName string
  properties []DeviceProperty
  protocol ProtocolConfig
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
  collectCycle int64
  desired TwinProperty
  name string
  pushMethod PushMethod
  reportCycle int64
  reportToCloud bool
  visitors ProtocolConfig

ProtocolConfig
  configData {}any
  protocolName string

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
  metadata {}string
  value! string

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

DeviceStatus kind
  spec {}any
  status DeviceStatusReport

DeviceStatusReport
  extensions {}any
  lastOnlineTime string
  state string
  twins []Twin
`;

/** Devices as KubeEdge had them up to 1.14. */
export const olderDevicesTable = `
package io.kubeedge.devices.v1alpha2

DeviceModel kind
  spec DeviceModelSpec

DeviceModelSpec
  properties []ModelProperty
  protocol string

ModelProperty
  description string
  name string
  type PropertyType

PropertyType
  boolean BooleanType
  bytes BytesType
  double NumberType
  float NumberType
  int IntType
  string StringType

BooleanType
  accessMode string enum=ReadWrite|ReadOnly
  defaultValue bool

BytesType
  accessMode string enum=ReadWrite|ReadOnly

NumberType
  accessMode string enum=ReadWrite|ReadOnly
  defaultValue number
  maximum number
  minimum number
  unit string

IntType
  accessMode string enum=ReadWrite|ReadOnly
  defaultValue int64
  maximum int64
  minimum int64
  unit string

StringType
  accessMode string enum=ReadWrite|ReadOnly
  defaultValue string

Device kind
  spec DeviceSpec
  status DeviceReport

DeviceSpec
  data DeviceData
  deviceModelRef DeviceModelReference
  nodeSelector core.NodeSelector
  propertyVisitors []PropertyVisitor
  protocol ProtocolConfig

DeviceData
  dataProperties []DataProperty
  dataTopic string

DataProperty
  metadata {}string
  propertyName string

DeviceModelReference
  name string

PropertyVisitor
  bluetooth BluetoothVisitor
  collectCycle int64
  customizedProtocol CustomProtocol
  customizedValues {}any
  modbus ModbusVisitor
  opcua OpcUAVisitor
  propertyName string
  reportCycle int64

BluetoothVisitor
  characteristicUUID string
  dataConverter BluetoothConverter
  dataWrite {}bytes

BluetoothConverter
  endIndex int
  orderOfOperations []BluetoothOperation
  shiftLeft int
  shiftRight int
  startIndex int

BluetoothOperation
  operationType string
  operationValue number

ModbusVisitor
  isRegisterSwap bool
  isSwap bool
  limit int64
  offset int64
  register string enum=CoilRegister|DiscreteInputRegister|InputRegister|HoldingRegister
  scale number

OpcUAVisitor
  browseName string
  nodeID string

ProtocolConfig
  bluetooth BluetoothProtocol
  common CommonProtocol
  customizedProtocol CustomProtocol
  modbus ModbusProtocol
  opcua OpcUAProtocol

BluetoothProtocol
  macAddress string

CustomProtocol
  configData {}any
  protocolName string

ModbusProtocol
  slaveID int64

OpcUAProtocol
  certificate string
  password string
  privateKey string
  securityMode string
  securityPolicy string
  timeout int64
  url string
  userName string

CommonProtocol
  collectRetryTimes int64
  collectTimeout int64
  collectType string enum=sync|async
  com SerialLine
  commType string
  customizedValues {}any
  reconnRetryTimes int64
  reconnTimeout int64
  tcp TCPAddress

SerialLine
  baudRate int64
  dataBits int64
  parity string enum=none|even|odd
  serialPort string
  stopBits int64

TCPAddress
  ip string
  port int64

TwinProperty
  metadata {}string
  value! string

Twin
  desired TwinProperty
  propertyName string
  reported TwinProperty

DeviceReport
  twins []Twin
`;
