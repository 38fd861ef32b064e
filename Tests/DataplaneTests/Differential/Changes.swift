import Addresses
import Balancer

/// What the user and the network do while packets flow.
struct Changes {
    var random: SplitMix64
    /// The services as they were to begin with, in the words of `Comparison.serve`.
    let services: [String]

    mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }
    mutating func one<Element>(_ elements: [Element]) -> Element { elements[number(0..<elements.count)] }

    mutating func make(_ comparison: Comparison) throws {
        switch number(0..<6) {
        case 0, 1: try comparison.serve(withStates(one(services)))
        case 2: try comparison.serve(withFewerBackends(one(services)))
        case 3: try comparison.serve(one(services))
        case 4:
            // A neighbour is lost, and is back later with another link address.
            let address = one(Place.backends + Place.backends6).address
            let link = LinkAddress(value: 0x0200_0000_0c00 + UInt64(number(0..<256)))
            try comparison.changeHop(to: address) { $0.linkAddress = $0.linkAddress == nil ? link : nil }
        default:
            let address = one(Place.backends + Place.backends6).address
            try comparison.changeHop(to: address) { $0.isCurrent.toggle() }
        }
    }

    private mutating func withStates(_ service: String) -> String {
        let words = service.split(separator: " ").filter { !$0.hasPrefix("states=") }
        let count = words[1].split(separator: ",").count
        let states = (0..<count).map { _ in one(["active", "active", "draining", "maintenance"]) }
        return words.joined(separator: " ") + " states=" + states.joined(separator: ",")
    }

    private mutating func withFewerBackends(_ service: String) -> String {
        var words = service.split(separator: " ").filter { !$0.hasPrefix("states=") }.map(String.init)
        let backends = words[1].split(separator: ",")
        words[1] = backends.dropFirst(number(0..<backends.count)).joined(separator: ",")
        return words.joined(separator: " ")
    }
}
