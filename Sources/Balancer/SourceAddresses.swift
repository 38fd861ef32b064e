import Addresses
import CDataplane

/// The balancer's own addresses, where the user says which (`--snat-addresses`, `--bpf-lb-rss-ipv4-src-cidr`,
/// `--bpf-lb-rss-ipv6-src-cidr`).
public struct SourceAddresses: Equatable, Sendable {
    /// New SNAT connections are spread over those of their family; none: the backend's own source.
    public var snat: [IPAddress]
    /// The outer source of DSR is drawn from these, by the flow, so that backends' receive queues share the load.
    public var rss4, rss6: IPPrefix?

    /// The most of one family.
    public static let snatLimit = Int(L4LB_SNAT_ADDRESSES_MAX)

    public init(snat: [IPAddress] = [], rss4: IPPrefix? = nil, rss6: IPPrefix? = nil) {
        self.snat = snat
        self.rss4 = rss4
        self.rss6 = rss6
    }

    public func snat(ofIPv6 isIPv6: Bool) -> [IPAddress] { snat.filter { $0.isIPv6 == isIPv6 } }

    /// From how many addresses a backend's SNAT connections come.
    public func snatCount(towards backend: IPAddress) -> Int { max(snat(ofIPv6: backend.isIPv6).count, 1) }
}

extension SourceAddresses {
    /// From the texts of the agent's flags.
    public init(snat: String?, rss4: String?, rss6: String?) throws(BalancerError) {
        self.init()
        self.snat = try Self.addresses(snat)
        self.rss4 = try Self.prefix("--bpf-lb-rss-ipv4-src-cidr", rss4, isIPv6: false)
        self.rss6 = try Self.prefix("--bpf-lb-rss-ipv6-src-cidr", rss6, isIPv6: true)
    }

    private static func addresses(_ text: String?) throws(BalancerError) -> [IPAddress] {
        let option = "--snat-addresses"
        var addresses: [IPAddress] = []
        for item in text?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
            guard let address = IPAddress(String(item)) else {
                throw .usage("\(option): \(quoted(String(item))) is not an IP address")
            }
            if let fault = address.fault {
                throw .usage("\(option): \(address) is \(fault.what): give \(fault.mend)")
            }
            guard !addresses.contains(address) else { throw .usage("\(option): \(address) is given twice") }
            addresses.append(address)
            let count = addresses.count { $0.isIPv6 == address.isIPv6 }
            guard count <= snatLimit else {
                throw .usage("\(option): more than \(snatLimit) \(address.familyName) addresses")
            }
        }
        return addresses
    }

    private static func prefix(
        _ option: String, _ text: String?, isIPv6: Bool
    ) throws(BalancerError) -> IPPrefix? {
        guard let text else { return nil }
        guard let prefix = IPPrefix(text), prefix.address.isIPv6 == isIPv6 else {
            let example = isIPv6 ? "an IPv6 prefix such as 2001:db8::/64" : "an IPv4 prefix such as 10.0.0.0/24"
            throw .usage("\(option): \(quoted(text)) is not \(example) (no bits beyond its length)")
        }
        if let fault = prefix.address.fault {
            throw .usage("\(option): \(prefix) begins with \(fault.what): give \(fault.mend)")
        }
        guard prefix.length < prefix.address.bitWidth else {
            throw .usage("\(option): \(prefix) is a single address, which spreads nothing: give a shorter prefix")
        }
        return prefix
    }
}

extension MapContents {
    /// An address that the host has lost gives its place to those that are left, so that no new connection uses it;
    /// where none is left they stay as they are.
    mutating func add(_ sources: SourceAddresses, hostAddresses: Set<IPAddress>) {
        for (first, all) in [(0, sources.snat(ofIPv6: false)), (SourceAddresses.snatLimit, sources.snat(ofIPv6: true))]
        {
            let present = all.filter(hostAddresses.contains)
            let used = present.isEmpty ? all : present
            for place in all.indices {
                snatAddresses[UInt32(first + place)] = Key(l4lb_address(used[place % used.count]))
            }
            for address in used { filter.insert(address) }
        }
    }
}

extension l4lb_config {
    /// The part that tells where packets come from.
    public mutating func set(_ sources: SourceAddresses) {
        snat_address_count = UInt32(sources.snat(ofIPv6: false).count)
        snat_address_count6 = UInt32(sources.snat(ofIPv6: true).count)
        if let prefix = sources.rss4 {
            (rss_address, rss_mask) = (l4lb_address(prefix.address).words.3, l4lb_address(prefix.hostMask).words.3)
        }
        if let prefix = sources.rss6 {
            (rss_address6, rss_mask6) = (l4lb_address(prefix.address), l4lb_address(prefix.hostMask))
        }
    }
}
