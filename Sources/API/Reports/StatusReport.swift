import Addresses
import Balancer

/// The mode, the devices, what the tables hold, and what was counted.
public struct StatusReport: Codable, Hashable, Sendable {
    public struct DeviceEntry: Codable, Hashable, Sendable {
        public var name: String
        public var linkAddress: String
        /// native or generic
        public var xdpMode: String
        public var programId: UInt32

        public init(name: String, linkAddress: String, isNative: Bool, programID: UInt32) {
            self.name = name
            self.linkAddress = linkAddress
            xdpMode = isNative ? "native" : "generic"
            programId = programID
        }
    }

    public struct SNATPortEntry: Codable, Hashable, Sendable {
        public var backend: String
        public var `protocol`: String
        public var inUse: Int
        public var available: Int
    }

    /// One family's flow table.
    public struct TableUse: Sendable {
        /// Connections in use: what has ended too, until it is collected.
        public var used: Int
        public var bytes: Int

        public init(used: Int, bytes: Int) {
            self.used = used
            self.bytes = bytes
        }
    }

    public var mode: String
    public var paths: [String]
    /// Where the program was compiled: here or packaged.
    public var compiled: String
    public var devices: [DeviceEntry]
    /// Of the first device, for those who have one.
    public var xdpMode: String
    public var programId: UInt32
    public var services: Int
    public var backends: Int
    public var connections: Int
    public var connectionsByMode: [String: Int]
    public var flowTableSize: Int
    /// Of connections, as are the slots used.
    public var flowTableSlots: Int
    public var flowTableSlotsUsed: Int
    public var flowTableBytes: Int
    /// Null where no service has needed IPv6 yet.
    @ExplicitNull public var flowTableIpv6SlotsUsed: Int?
    @ExplicitNull public var flowTableIpv6Bytes: Int?
    /// Those with the fewest ports left come first.
    public var snatPorts: [SNATPortEntry]
    /// Until what was applied is taken back, unless it is confirmed; null where nothing waits for that.
    @ExplicitNull public var confirmSeconds: Int64?
    public var drops: [String: UInt64]
    public var events: [String: UInt64]

    /// `size`: the connections that a flow table was asked to have room for; `slots`: those that it has.
    public init(
        mode: Mode, paths: Paths, compiled: String, devices: [DeviceEntry], services: Int, backends: Int,
        connections: [Mode: Int],
        size: Int, slots: Int, table: TableUse, table6: TableUse?, snatPorts: [SNATPortUse],
        drops: [DropReason: UInt64], events: [EventCounter: UInt64]
    ) {
        self.mode = mode.rawValue
        self.paths = paths.names
        self.compiled = compiled
        self.devices = devices
        xdpMode = devices.first?.xdpMode ?? ""
        programId = devices.first?.programId ?? 0
        self.services = services
        self.backends = backends
        self.connections = connections.values.reduce(0, +)
        connectionsByMode = Dictionary(uniqueKeysWithValues: Mode.allCases.map { ($0.rawValue, connections[$0] ?? 0) })
        flowTableSize = size
        flowTableSlots = slots
        flowTableSlotsUsed = table.used
        flowTableBytes = table.bytes
        flowTableIpv6SlotsUsed = table6?.used
        flowTableIpv6Bytes = table6?.bytes
        self.snatPorts = snatPorts.map {
            SNATPortEntry(
                backend: $0.backend.description, protocol: $0.transport.description, inUse: $0.inUse,
                available: $0.available)
        }
        confirmSeconds = nil
        self.drops = Dictionary(uniqueKeysWithValues: drops.map { ($0.key.rawValue, $0.value) })
        self.events = Dictionary(uniqueKeysWithValues: events.map { ($0.key.rawValue, $0.value) })
    }
}

/// The next hops of the backends.
public struct NeighborListReport: Codable, Hashable, Sendable {
    public struct Entry: Codable, Hashable, Sendable {
        public var address: String
        /// Null while it has not answered.
        @ExplicitNull public var linkAddress: String?
        public var device: String
        /// The backends that are reached by it.
        public var backends: [String]

        public init(address: IPAddress, linkAddress: LinkAddress?, device: String, backends: [IPAddress]) {
            self.address = address.description
            self.linkAddress = linkAddress?.description
            self.device = device
            self.backends = backends.map(\.description)
        }
    }

    public var neighbors: [Entry]

    public init(neighbors: [Entry]) {
        self.neighbors = neighbors
    }
}
