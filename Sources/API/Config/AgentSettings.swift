import Balancer

/// The agent's options that a file may hold, by the names of their flags: those that say what is balanced and how
/// large it is, not how the process is run. They count when the agent starts.
public struct AgentSettings: Codable, Hashable, Sendable {
    public var devices: [String]?
    public var bpfLbAcceleration: String?
    public var bpfRoot: String?
    public var bpfLbMapMax: Int?
    public var bpfLbMaglevTableSize: Int?
    public var bpfLbMaglevHashSeed: String?
    public var flowTableSize: Int?
    public var bpfCtTimeoutRegularTcp: String?
    public var bpfCtTimeoutRegularTcpSyn: String?
    public var bpfCtTimeoutRegularTcpFin: String?
    public var bpfCtTimeoutRegularAny: String?
    public var snatPortRange: String?
    public var snatAddresses: [String]?
    public var bpfLbRssIpv4SrcCidr: String?
    public var bpfLbRssIpv6SrcCidr: String?

    public enum CodingKeys: String, CodingKey, CaseIterable {
        case devices
        case bpfLbAcceleration = "bpf_lb_acceleration"
        case bpfRoot = "bpf_root"
        case bpfLbMapMax = "bpf_lb_map_max"
        case bpfLbMaglevTableSize = "bpf_lb_maglev_table_size"
        case bpfLbMaglevHashSeed = "bpf_lb_maglev_hash_seed"
        case flowTableSize = "flow_table_size"
        case bpfCtTimeoutRegularTcp = "bpf_ct_timeout_regular_tcp"
        case bpfCtTimeoutRegularTcpSyn = "bpf_ct_timeout_regular_tcp_syn"
        case bpfCtTimeoutRegularTcpFin = "bpf_ct_timeout_regular_tcp_fin"
        case bpfCtTimeoutRegularAny = "bpf_ct_timeout_regular_any"
        case snatPortRange = "snat_port_range"
        case snatAddresses = "snat_addresses"
        case bpfLbRssIpv4SrcCidr = "bpf_lb_rss_ipv4_src_cidr"
        case bpfLbRssIpv6SrcCidr = "bpf_lb_rss_ipv6_src_cidr"

        /// The flag that says the same.
        public var flag: String {
            self == .devices ? "--device" : "--" + rawValue.map { $0 == "_" ? "-" : "\($0)" }.joined()
        }
    }

    /// What is set, as the flags' texts; a text that is no number where one has to be is left out.
    public init(texts: [CodingKeys: String?]) {
        let text = { (key: CodingKeys) in texts[key] ?? nil }
        let list = { (key: CodingKeys) in text(key).map { $0.split(separator: ",").map(String.init) } }
        devices = list(.devices)
        bpfLbAcceleration = text(.bpfLbAcceleration)
        bpfRoot = text(.bpfRoot)
        bpfLbMapMax = text(.bpfLbMapMax).flatMap { Int($0) }
        bpfLbMaglevTableSize = text(.bpfLbMaglevTableSize).flatMap { Int($0) }
        bpfLbMaglevHashSeed = text(.bpfLbMaglevHashSeed)
        flowTableSize = text(.flowTableSize).flatMap { Int($0) }
        bpfCtTimeoutRegularTcp = text(.bpfCtTimeoutRegularTcp)
        bpfCtTimeoutRegularTcpSyn = text(.bpfCtTimeoutRegularTcpSyn)
        bpfCtTimeoutRegularTcpFin = text(.bpfCtTimeoutRegularTcpFin)
        bpfCtTimeoutRegularAny = text(.bpfCtTimeoutRegularAny)
        snatPortRange = text(.snatPortRange)
        snatAddresses = list(.snatAddresses)
        bpfLbRssIpv4SrcCidr = text(.bpfLbRssIpv4SrcCidr)
        bpfLbRssIpv6SrcCidr = text(.bpfLbRssIpv6SrcCidr)
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.fields(CodingKeys.self)
        devices = try fields.list(.devices)
        bpfLbAcceleration = try fields.decodeIfPresent(String.self, forKey: .bpfLbAcceleration)
        bpfRoot = try fields.decodeIfPresent(String.self, forKey: .bpfRoot)
        bpfLbMapMax = try fields.number(.bpfLbMapMax)
        bpfLbMaglevTableSize = try fields.number(.bpfLbMaglevTableSize)
        bpfLbMaglevHashSeed = try fields.decodeIfPresent(String.self, forKey: .bpfLbMaglevHashSeed)
        flowTableSize = try fields.number(.flowTableSize)
        bpfCtTimeoutRegularTcp = try fields.decodeIfPresent(String.self, forKey: .bpfCtTimeoutRegularTcp)
        bpfCtTimeoutRegularTcpSyn = try fields.decodeIfPresent(String.self, forKey: .bpfCtTimeoutRegularTcpSyn)
        bpfCtTimeoutRegularTcpFin = try fields.decodeIfPresent(String.self, forKey: .bpfCtTimeoutRegularTcpFin)
        bpfCtTimeoutRegularAny = try fields.decodeIfPresent(String.self, forKey: .bpfCtTimeoutRegularAny)
        snatPortRange = try fields.decodeIfPresent(String.self, forKey: .snatPortRange)
        snatAddresses = try fields.list(.snatAddresses)
        bpfLbRssIpv4SrcCidr = try fields.decodeIfPresent(String.self, forKey: .bpfLbRssIpv4SrcCidr)
        bpfLbRssIpv6SrcCidr = try fields.decodeIfPresent(String.self, forKey: .bpfLbRssIpv6SrcCidr)
    }

    /// What is set, as the flags' texts.
    public var texts: [(key: CodingKeys, text: String)] {
        let all: [(CodingKeys, String?)] = [
            (.devices, devices?.joined(separator: ",")), (.bpfLbAcceleration, bpfLbAcceleration),
            (.bpfRoot, bpfRoot), (.bpfLbMapMax, bpfLbMapMax.map(String.init)),
            (.bpfLbMaglevTableSize, bpfLbMaglevTableSize.map(String.init)),
            (.bpfLbMaglevHashSeed, bpfLbMaglevHashSeed), (.flowTableSize, flowTableSize.map(String.init)),
            (.bpfCtTimeoutRegularTcp, bpfCtTimeoutRegularTcp),
            (.bpfCtTimeoutRegularTcpSyn, bpfCtTimeoutRegularTcpSyn),
            (.bpfCtTimeoutRegularTcpFin, bpfCtTimeoutRegularTcpFin),
            (.bpfCtTimeoutRegularAny, bpfCtTimeoutRegularAny), (.snatPortRange, snatPortRange),
            (.snatAddresses, snatAddresses?.joined(separator: ",")), (.bpfLbRssIpv4SrcCidr, bpfLbRssIpv4SrcCidr),
            (.bpfLbRssIpv6SrcCidr, bpfLbRssIpv6SrcCidr),
        ]
        return all.compactMap { key, text in text.map { (key, $0) } }
    }

    /// A warning for each option that differs from what the agent runs with.
    public func warnings(running: AgentSettings) -> [String] {
        let now = Dictionary(uniqueKeysWithValues: running.texts.map { ($0.key, $0.text) })
        return texts.compactMap { key, text -> String? in
            guard now[key] != text else { return nil }
            let running = now[key].map { "the agent runs with \($0)" } ?? "the agent runs without it"
            return "agent.\(key.rawValue): \(quoted(text)) counts from its next start on: \(running)"
        }
    }
}
