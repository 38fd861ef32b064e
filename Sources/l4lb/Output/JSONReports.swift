import Agent
import Balancer

/// What `-o json` prints. Keys become snake_case; addresses are text as the user writes them.
struct ServiceUpdateReport: Encodable {
    /// created or replaced
    var result: String
    var id: UInt16
    var frontend: String
    var backends: Int
    var warnings: [String]
}

struct DeletedReport: Encodable {
    var deleted: Int
}

struct ModeReport: Encodable {
    var mode: String
}

struct ServiceListReport: Encodable {
    var services: [ServiceReport]
}

struct ServiceReport: Encodable {
    struct BackendEntry: Encodable {
        var backend: String
        var weight: UInt16
        var state: String
    }

    var id: UInt16
    var frontend: String
    /// The mode of its new connections, and its own where it has one.
    var mode: String
    @ExplicitNull var ownMode: String?
    var algorithm: String
    @ExplicitNull var affinitySeconds: UInt32?
    var sourceRanges: [String]
    var sourceRangesPolicy: String
    @ExplicitNull var maxNewConnections: UInt32?
    var origin: String
    /// Active ones.
    var connections: Int
    var totalConnections: UInt64
    var packets: UInt64
    var bytes: UInt64
    @ExplicitNull var replyPackets: UInt64?
    @ExplicitNull var replyBytes: UInt64?
    var drops: [String: UInt64]
    var backends: [BackendEntry]

    init(_ state: LoadBalancer.ServiceState) {
        let (service, counters) = (state.service, state.counters)
        id = service.id
        frontend = service.frontend.description
        algorithm = service.algorithm.rawValue
        affinitySeconds = service.affinity
        mode = state.mode.rawValue
        ownMode = service.mode?.rawValue
        sourceRanges = service.sourceRanges.map(\.description)
        sourceRangesPolicy = service.sourceRangesPolicy.rawValue
        maxNewConnections = service.maxNewConnections
        origin = service.origin.rawValue
        connections = counters.connections
        totalConnections = counters.totalConnections
        packets = counters.packets
        bytes = counters.bytes
        replyPackets = state.replies?.packets
        replyBytes = state.replies?.bytes
        drops = Dictionary(uniqueKeysWithValues: counters.drops.map { ($0.key.rawValue, $0.value) })
        backends = service.backends.map {
            BackendEntry(backend: $0.endpoint.description, weight: $0.weight, state: $0.state.rawValue)
        }
    }
}

struct DumpReport: Encodable {
    struct ServiceEntry: Encodable {
        var id: UInt16
        var frontend: String
        var mode: String
        var algorithm: String
    }

    struct ConnectionEntry: Encodable {
        var `protocol`: String
        var client: String
        var frontend: String
        var backend: String
        var mode: String
        var state: String
        var ageSeconds: UInt64
        var idleSeconds: UInt64
        var packets: UInt64
        var bytes: UInt64
        @ExplicitNull var replyPackets: UInt64?
        @ExplicitNull var replyBytes: UInt64?
    }

    struct BackendEntry: Encodable {
        var backend: String
        var weight: UInt16
        var state: String
        var connections: Int
        var totalConnections: UInt64
        var packets: UInt64
        var bytes: UInt64
        @ExplicitNull var replyPackets: UInt64?
        @ExplicitNull var replyBytes: UInt64?
    }

    var service: ServiceEntry
    var connections: [ConnectionEntry]
    var backends: [BackendEntry]

    init(_ dump: LoadBalancer.Dump) {
        service = ServiceEntry(
            id: dump.service.id, frontend: dump.service.frontend.description, mode: dump.mode.rawValue,
            algorithm: dump.service.algorithm.rawValue)
        connections = dump.connections.map {
            ConnectionEntry(
                protocol: $0.frontend.transport.description, client: $0.client.description,
                frontend: $0.frontend.description, backend: $0.backend.description, mode: $0.mode.rawValue,
                state: $0.state.rawValue, ageSeconds: $0.age, idleSeconds: $0.idle, packets: $0.packets,
                bytes: $0.bytes, replyPackets: $0.replyPackets, replyBytes: $0.replyBytes)
        }
        backends = dump.backends.map { report in
            let hasReplies = report.replyPackets > 0 || dump.mode == .snat
            return BackendEntry(
                backend: report.backend.endpoint.description, weight: report.backend.weight,
                state: report.backend.state.rawValue, connections: report.connections,
                totalConnections: report.totalConnections, packets: report.packets, bytes: report.bytes,
                replyPackets: hasReplies ? report.replyPackets : nil, replyBytes: hasReplies ? report.replyBytes : nil)
        }
    }
}

struct NeighborListReport: Encodable {
    struct Entry: Encodable {
        var address: String
        @ExplicitNull var linkAddress: String?
        var device: String
        var backends: [String]
    }

    var neighbors: [Entry]

    init(_ neighbours: [LoadBalancer.NeighbourReport]) {
        neighbors = neighbours.map {
            Entry(
                address: $0.address.description, linkAddress: $0.linkAddress?.description, device: $0.device,
                backends: $0.backends.map(\.description))
        }
    }
}

struct StatusReport: Encodable {
    struct DeviceEntry: Encodable {
        var name: String
        var linkAddress: String
        var xdpMode: String
        var programId: UInt32
    }

    struct SNATPortEntry: Encodable {
        var backend: String
        var `protocol`: String
        var inUse: Int
        var available: Int
    }

    var mode: String
    var paths: [String]
    var devices: [DeviceEntry]
    var xdpMode: String
    var programId: UInt32
    var services: Int
    var backends: Int
    var connections: Int
    var connectionsByMode: [String: Int]
    var flowTableSize: Int
    /// Of connections, as are the slots used.
    var flowTableSlots: Int
    var flowTableSlotsUsed: Int
    var flowTableBytes: Int
    /// Null where no service has needed IPv6 yet.
    @ExplicitNull var flowTableIpv6SlotsUsed: Int?
    @ExplicitNull var flowTableIpv6Bytes: Int?
    var snatPorts: [SNATPortEntry]
    var drops: [String: UInt64]
    var events: [String: UInt64]

    init(_ status: LoadBalancer.Status) {
        mode = status.mode.rawValue
        paths = status.paths.names
        devices = status.devices.map {
            DeviceEntry(
                name: $0.device.name, linkAddress: $0.device.address.description,
                xdpMode: $0.isNative ? "native" : "generic", programId: $0.programID)
        }
        // Of the first device, for those who have one.
        xdpMode = devices.first?.xdpMode ?? ""
        programId = devices.first?.programId ?? 0
        services = status.services
        backends = status.backends
        connections = status.connections.values.reduce(0, +)
        connectionsByMode = Dictionary(
            uniqueKeysWithValues: Mode.allCases.map { ($0.rawValue, status.connections[$0] ?? 0) })
        flowTableSize = status.flowTableSize
        flowTableSlots = status.flowTablePlaces
        flowTableSlotsUsed = status.flowTable.used
        flowTableBytes = status.flowTable.bytes
        flowTableIpv6SlotsUsed = status.flowTable6?.used
        flowTableIpv6Bytes = status.flowTable6?.bytes
        snatPorts = status.snatPorts.map {
            SNATPortEntry(
                backend: $0.backend.description, protocol: $0.transport.description, inUse: $0.inUse,
                available: $0.available)
        }
        drops = Dictionary(uniqueKeysWithValues: status.drops.map { ($0.key.rawValue, $0.value) })
        events = Dictionary(uniqueKeysWithValues: status.events.map { ($0.key.rawValue, $0.value) })
    }
}

/// A missing value is shown as null, not left out.
// swift-format-ignore: UseSynthesizedInitializer
@propertyWrapper
struct ExplicitNull<Value: Encodable>: Encodable {
    var wrappedValue: Value?

    // Only with this written out do the reports' initializers take plain values.
    init(wrappedValue: Value?) {
        self.wrappedValue = wrappedValue
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}
