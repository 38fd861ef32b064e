/// What `-o json` prints, in so far as the tests read it.
struct DumpState: Decodable {
    struct Service: Decodable {
        var id: Int
        var frontend, mode: String
    }

    struct Connection: Decodable {
        var `protocol`, client, frontend, backend, mode, state: String
        var ageSeconds, idleSeconds: Int
        var packets, bytes: Int
        var replyPackets, replyBytes: Int?
    }

    struct Backend: Decodable {
        var backend: String
        var weight: Int
        var state: String
        var connections, packets, bytes: Int
    }

    var service: Service
    var connections: [Connection]
    var backends: [Backend]
}

struct Status: Decodable {
    var mode: String
    var paths: [String]
    var programId: Int
    var services, connections: Int
    var drops: [String: Int]
    var events: [String: Int]
    var snatPorts: [SNATPorts]
    var flowTableIpv6Bytes: Int?

    struct SNATPorts: Decodable {
        var backend, `protocol`: String
        var inUse, available: Int
    }
}

struct ServiceList: Decodable {
    struct Service: Decodable {
        var id: Int
        var frontend, mode: String
        var origin: String?
        var ownMode: String?
        var connections, totalConnections, packets, bytes: Int
        var replyPackets, replyBytes: Int?
        var drops: [String: Int]
    }

    var services: [Service]
}

struct Neighbors: Decodable {
    struct Neighbor: Decodable {
        var address: String
        var linkAddress: String?
        var device: String
        var backends: [String]
    }

    var neighbors: [Neighbor]
}

struct ServiceUpdated: Decodable {
    var result: String
    var id, backends: Int
    var warnings: [String]
}

struct JSONFailure: Decodable {
    struct Body: Decodable {
        var message: String
        var exitCode: Int
    }

    var error: Body
}

struct PlanOutput: Decodable {
    struct Service: Decodable {
        var change, frontend: String
        var movedPercent: Double?
        var connections, connectionsLeaving, connectionsRechosen: Int
    }

    var changed: Bool
    var created, replaced, removed, adopted, unchanged: Int
    var movedPercent: Double
    var services: [Service]
    var warnings: [String]
}
