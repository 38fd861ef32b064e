import Terminal

/// What the user of `top` looks at, changed by keys.
struct TopControl: Equatable {
    enum Order: Character, CaseIterable {
        case connections = "c"
        case new = "n"
        case packets = "p"
        case bits = "b"

        var name: String {
            switch self {
            case .connections: "connections"
            case .new: "new connections"
            case .packets: "packets"
            case .bits: "bits"
            }
        }

        /// In both directions.
        func weight(_ traffic: TrafficRates) -> Double {
            switch self {
            case .connections: Double(traffic.connections)
            case .new: traffic.newPerSecond ?? 0
            case .packets: (traffic.packetsPerSecond ?? 0) + (traffic.replyPacketsPerSecond ?? 0)
            case .bits: (traffic.bitsPerSecond ?? 0) + (traffic.replyBitsPerSecond ?? 0)
            }
        }
    }

    var order = Order.bits
    var filter = ""
    var isTypingFilter = false
    var showsBackends = true
    /// The first row that is shown.
    var offset = 0

    static let filterLimit = 60

    /// False where it is the end. `page`: the rows that are shown.
    mutating func press(_ key: Key, page: Int) -> Bool {
        if key == .interrupt { return false }
        if isTypingFilter {
            typeFilter(key)
            return true
        }
        switch key {
        case .character("q"), .character("Q"): return false
        case .character("/"): isTypingFilter = true
        case .character("t"): showsBackends.toggle()
        case .escape:
            filter = ""
            offset = 0
        case .up, .character("k"): offset -= 1
        case .down, .character("j"): offset += 1
        case .pageUp: offset -= page
        case .pageDown, .character(" "): offset += page
        case .home: offset = 0
        case .end: offset = .max / 2
        case .character(let character):
            if let order = Order(rawValue: character) {
                self.order = order
                offset = 0
            }
        case .enter, .backspace, .interrupt: break
        }
        offset = max(offset, 0)
        return true
    }

    private mutating func typeFilter(_ key: Key) {
        switch key {
        case .character(let character) where filter.count < Self.filterLimit: filter.append(character)
        case .backspace: _ = filter.popLast()
        case .enter: isTypingFilter = false
        case .escape:
            filter = ""
            isTypingFilter = false
        default: break
        }
        offset = 0
    }
}
