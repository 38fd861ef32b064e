import Addresses

/// How packets leave towards a backend, as the kernel's routes and neighbours say.
public struct NextHop: Hashable, Sendable {
    /// The device they leave by, and its link address.
    public var interface: UInt32
    public var ourAddress: LinkAddress
    /// The balancer's address towards the backend, of the same family: the route's preferred source.
    public var source: IPAddress
    /// An address of the balancer of the other family, for its own ICMP to clients of that one.
    public var otherSource: IPAddress?
    /// Bytes that a packet may have on the way.
    public var mtu: UInt32
    /// The backend itself, or the gateway on the way to it.
    public var neighbour: IPAddress
    /// Nil while the neighbour has not answered.
    public var linkAddress: LinkAddress?
    /// False where the route is gone: connections that exist go on as long as they can, new ones
    /// do not begin.
    public var isCurrent = true

    public init(
        interface: UInt32, ourAddress: LinkAddress, source: IPAddress, otherSource: IPAddress? = nil,
        mtu: UInt32 = 1500, neighbour: IPAddress, linkAddress: LinkAddress?
    ) {
        self.interface = interface
        self.ourAddress = ourAddress
        self.source = source
        self.otherSource = otherSource
        self.mtu = mtu
        self.neighbour = neighbour
        self.linkAddress = linkAddress
    }
}
