/** Devices as KubeEdge had them up to 1.14. Source: CustomResourceDefinitions of KubeEdge. */
export const olderDevicesTable = `
package io.kubeedge.devices.v1alpha2

DeviceModel kind # What devices of a type have in common.
  spec DeviceModelSpec

DeviceModelSpec
  properties []ModelProperty # What such devices measure or can be told.
  protocol string # The protocol of the mapper.

ModelProperty
  description string
  name string
  type PropertyType # Type of the value.

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

Device kind # A device at a node.
  spec DeviceSpec
  status DeviceReport

DeviceSpec
  data DeviceData
  deviceModelRef DeviceModelReference # The DeviceModel, in the same namespace.
  nodeSelector core.NodeSelector
  propertyVisitors []PropertyVisitor
  protocol ProtocolConfig # How the mapper reaches the device.

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
  metadata {}string # For example timestamp and type.
  value! string # The value, as text.

Twin
  desired TwinProperty
  propertyName string
  reported TwinProperty

DeviceReport
  twins []Twin
`;
