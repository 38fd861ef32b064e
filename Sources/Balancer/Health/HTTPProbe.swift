import Addresses

/// The words of an HTTP probe, both ways.
public enum HTTPProbe {
    /// Bytes of an answer that are looked at.
    public static let answerLimit = 4096

    public static func request(path: String, host: Endpoint) -> [UInt8] {
        let name =
            switch host.address {
            case .v4(let address): host.port == 80 || host.isAllPorts ? "\(address)" : "\(host)"
            case .v6(let address): host.port == 80 || host.isAllPorts ? "[\(address)]" : "\(host)"
            }
        return Array(
            "GET \(path) HTTP/1.1\r\nHost: \(name)\r\nUser-Agent: l4lb\r\nAccept: */*\r\nConnection: close\r\n\r\n".utf8
        )
    }

    /// Nil while more of the answer has to come. `isEnd`: no more will.
    public static func outcome(_ answer: [UInt8], isEnd: Bool, statuses: HTTPStatuses) -> ProbeOutcome? {
        guard let end = answer.firstIndex(of: UInt8(ascii: "\n")) else {
            if answer.isEmpty, isEnd { return .failed("the connection was closed without an answer") }
            return isEnd || answer.count >= answerLimit ? .failed("the answer is not HTTP") : nil
        }
        let words = answer[..<end].split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard words.count >= 2, words[0].starts(with: "HTTP/1.".utf8),
            let status = Int(String(decoding: words[1].filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)),
            (100...999).contains(status)
        else { return .failed("the answer is not HTTP") }
        return statuses.contains(status) ? .passed : .failed("status \(status) and not \(statuses)")
    }
}
