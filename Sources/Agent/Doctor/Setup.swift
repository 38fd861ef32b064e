import Addresses
import Balancer

/// What runs, or is to run, as far as the doctor looks at it.
public struct Setup: Sendable {
    public struct Service: Sendable {
        public var frontend: Frontend
        public var mode: Mode
        public var backends: [IPAddress]

        public init(frontend: Frontend, mode: Mode, backends: [IPAddress]) {
            self.frontend = frontend
            self.mode = mode
            self.backends = backends
        }
    }

    /// What the agent says of a device.
    public struct Attached: Sendable {
        public var isNative: Bool
        public var programID: UInt32

        public init(isNative: Bool, programID: UInt32) {
            self.isNative = isNative
            self.programID = programID
        }
    }

    public var devices: [String]
    /// The agent's own, which services without one have.
    public var mode: Mode
    public var bpfRoot: String
    /// Nil: what the kernel leaves.
    public var snatPorts: ClosedRange<UInt16>?
    public var clang: String?
    public var services: [Service]
    /// By the device's name; nil where no agent answers.
    public var attached: [String: Attached]?

    public init(
        devices: [String], mode: Mode = .snat, bpfRoot: String = AgentOptions.defaultBPFRoot,
        snatPorts: ClosedRange<UInt16>? = nil, clang: String? = nil, services: [Service] = [],
        attached: [String: Attached]? = nil
    ) {
        self.devices = devices
        self.mode = mode
        self.bpfRoot = bpfRoot
        self.snatPorts = snatPorts
        self.clang = clang
        self.services = services
        self.attached = attached
    }

    /// Those of new connections.
    var modes: Set<Mode> { services.isEmpty ? [mode] : Set(services.map(\.mode)) }
}
