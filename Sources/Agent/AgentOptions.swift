import Balancer
import CDataplane

/// What the user sets when the agent starts; the names are those of the flags.
public struct AgentOptions: Sendable {
    public enum Acceleration: String, Sendable, CaseIterable {
        /// In the driver, or not at all.
        case native
        /// In the network stack: slower, on any device.
        case generic
        /// Native where the driver can do it, else generic.
        case bestEffort = "best-effort"
    }

    public var mode: Mode
    public var devices: [String]
    public var acceleration: Acceleration
    public var bpfRoot: String
    public var mapMax: Int
    public var maglevSize: Int
    public var maglevSeed: UInt64
    /// Connections that the flow table has room for.
    public var flowTableSize: Int
    public var timeouts: Timeouts
    public var snatPorts: ClosedRange<UInt16>?
    public var sources = SourceAddresses()
    public var clang: String?
    /// The packet path outlives the agent, and the next one takes it over.
    public var outlives = false
    /// Where what users set by command is kept, where the packet path outlives the agent.
    public var stateFile = Self.defaultStateFile

    public static let defaultStateFile = "/var/lib/l4lb/state"
    public static let deviceLimit = Int(L4LB_MAX_DEVICES)
    public static let defaultBPFRoot = "/sys/fs/bpf"
    public static let defaultFlowTableSize = 1 << 20

    public init(mode: Mode = .snat, devices: [String]) {
        self.mode = mode
        self.devices = devices
        acceleration = .native
        bpfRoot = Self.defaultBPFRoot
        mapMax = DesiredState.defaultMapMax
        maglevSize = MaglevTable.defaultSize
        maglevSeed = MaglevTable.seed(base64: MaglevTable.defaultSeed)!
        flowTableSize = Self.defaultFlowTableSize
        timeouts = Timeouts()
    }
}
