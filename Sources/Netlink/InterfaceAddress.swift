import Addresses
import CMnl
import Glibc

/// An address of this host.
public struct InterfaceAddress: Hashable, Sendable {
    /// The index of the link that has it.
    public var interface: Int32
    public var address: IPAddress
    /// 0 to 32, or to 128 for IPv6.
    public var prefixLength: UInt8
    /// Valid beyond the link and the host (RT_SCOPE_UNIVERSE): neither loopback nor link-local.
    public var isGlobalScope: Bool
}

extension InterfaceAddress {
    /// Nil where the message is about something else.
    init?(_ message: Message) throws(MalformedMessage) {
        guard Int(message.type) == RTM_NEWADDR else { return nil }
        let (header, attributes) = try message.parts(ifaddrmsg.self)
        guard [AF_INET, AF_INET6].contains(Int32(header.ifa_family)) else { return nil }
        // On a point-to-point link IFA_ADDRESS is the peer's, and IFA_LOCAL ours.
        guard let octets = attributes[IFA_LOCAL] ?? attributes[IFA_ADDRESS],
            let address = IPAddress(octets: octets)
        else { return nil }
        interface = Int32(bitPattern: header.ifa_index)
        self.address = address
        prefixLength = header.ifa_prefixlen
        isGlobalScope = UInt32(header.ifa_scope) == RT_SCOPE_UNIVERSE.rawValue
    }
}
