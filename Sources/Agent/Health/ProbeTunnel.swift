import BPF
import Balancer
import CDataplane
import Netlink

/// What takes the probes of DSR services through the tunnel: two filters on each device, and the map that tells them
/// which probes there are. Its end removes them.
final class ProbeTunnel: Sendable {
    /// The compiled filters.
    struct Program: Sendable {
        let object: [UInt8]

        init(compiler: Compiler) throws(AgentError) {
            object = try compiler.object(.probe)
        }
    }

    private let probes: BPFMap
    /// By their index.
    private let devices: [UInt32]
    /// Devices whose hook for filters is ours.
    private let hooks: [UInt32]

    init(_ program: Program, devices: [UInt32]) throws {
        let object = try BPFObject(program.object)
        try object.load()
        probes = try object.loadedMap("probes")
        var hooks: [UInt32] = []
        do {
            for device in devices {
                if try TrafficFilter.makeHook(of: device) { hooks.append(device) }
                for filter in Self.filters(of: device) {
                    try filter.attach(try object.program(filter.direction.programName))
                }
            }
        } catch {
            Self.remove(devices, hooks: hooks)
            throw AgentError("health checks cannot go through the tunnel: \(error)")
        }
        self.devices = devices
        self.hooks = hooks
    }

    deinit {
        Self.remove(devices, hooks: hooks)
    }

    /// Packets of the socket that is bound to `port` go through the tunnel from now on.
    func begin(_ probe: l4lb_probe, port: UInt16) throws(BPFError) {
        try probes.update(UInt32(port), probe)
    }

    /// To be called when the socket is closed.
    func end(port: UInt16) {
        try? probes.remove(UInt32(port))
    }

    // MARK: Devices

    private static func filters(of device: UInt32) -> [TrafficFilter] {
        TrafficFilter.Direction.allCases.map {
            TrafficFilter(interface: device, direction: $0, priority: UInt16(L4LB_PROBE_PRIORITY))
        }
    }

    private static func remove(_ devices: [UInt32], hooks: [UInt32]) {
        for device in devices {
            for filter in filters(of: device) where filter.program()?.name == filter.direction.programName {
                filter.remove()
            }
        }
        for device in hooks { removeHook(of: device) }
    }

    /// A hook that others use meanwhile stays.
    private static func removeHook(of device: UInt32) {
        guard var socket = try? NetlinkSocket(), (try? socket.hasFilters(interface: Int32(device))) == false
        else { return }
        TrafficFilter.removeHook(of: device)
    }

    /// Takes away what an agent has left that was killed; its hook counts as its own.
    static func sweep(_ devices: [UInt32]) {
        let left = devices.filter { device in
            filters(of: device).contains { $0.program()?.name == $0.direction.programName }
        }
        remove(left, hooks: left)
    }
}

extension TrafficFilter.Direction {
    /// As the source has it.
    fileprivate var programName: String {
        switch self {
        case .ingress: "l4lb_probe_in"
        case .egress: "l4lb_probe_out"
        }
    }
}
