import Addresses
import Balancer
import Testing

/// A host of the tests: its IP address and the link address that its packets come from.
struct Place: Hashable {
    var address: IPAddress
    var link: LinkAddress

    init(_ address: String, _ link: String) {
        self.address = IPAddress(address)!
        self.link = LinkAddress(link)!
    }

    /// The address that SNAT and DSR send from.
    static let balancer = Place("20.1.1.1", "02:00:00:00:00:01")
    static let client = Place("192.0.2.10", "02:00:00:00:00:0c")
    static let frontend: IPAddress = "40.1.1.1"
    static let backendPort: UInt16 = 8080

    /// 20.1.1.10, 20.1.1.20 and so on.
    static func backend(_ number: Int) -> Place {
        Place("20.1.1.\(number * 10)", "02:00:00:00:0b:0\(number)")
    }

    static let backends = (1...4).map(backend)

    // The same hosts' IPv6 addresses.
    static let balancer6 = Place("2001:db8:20::1", "02:00:00:00:00:01")
    static let client6 = Place("2001:db8:c::10", "02:00:00:00:00:0c")
    static let frontend6: IPAddress = "2001:db8:40::1"

    /// 2001:db8:20::10, 2001:db8:20::20 and so on.
    static func backend6(_ number: Int) -> Place {
        Place("2001:db8:20::\(number * 10)", "02:00:00:00:0b:0\(number)")
    }

    static let backends6 = (1...4).map(backend6)

    static func backend(at address: IPAddress) -> Place? { (backends + backends6).first { $0.address == address } }
}

/// A compiled program and the mode that new connections get: the tables run over each of them.
enum Build: String, CaseIterable, CustomTestStringConvertible {
    case snat = "SNAT"
    case dsr = "DSR"
    case bothInSNAT = "both paths, SNAT"
    case bothInDSR = "both paths, DSR"

    var mode: Mode { self == .snat || self == .bothInSNAT ? .snat : .dsr }

    var paths: Paths {
        switch self {
        case .snat: Paths([.snat])
        case .dsr: Paths([.dsr])
        case .bothInSNAT, .bothInDSR: Paths([.snat, .dsr])
        }
    }

    static let ofSNAT: [Build] = [.snat, .bothInSNAT]
    static let ofDSR: [Build] = [.dsr, .bothInDSR]

    var testDescription: String { rawValue }
}
