import Addresses

/// On loopback without TLS whoever is on this host may ask, but not a web page in its browser: by a name of its own
/// that leads here (DNS rebinding), or by a form (cross-site request forgery).
enum BrowserGuard {
    static func check(host: String?, origin: String?) throws(APIError) {
        guard origin == nil else {
            throw APIError(.forbidden, "requests of web pages are refused: this one has the header Origin")
        }
        guard let host, isLoopback(host) else {
            throw APIError(
                .forbidden, "the header Host does not name this host's loopback",
                mend: "use localhost, 127.0.0.1 or [::1]")
        }
    }

    /// `127.0.0.1:9100`, `[::1]`, `localhost`.
    private static func isLoopback(_ host: String) -> Bool {
        var name = host[...]
        if let colon = name.lastIndex(of: ":"), !name.hasSuffix("]") {
            guard UInt16(name[name.index(after: colon)...]) != nil else { return false }
            name = name[..<colon]
        }
        if name.first == "[", name.last == "]" {
            return IPv6Address(String(name.dropFirst().dropLast()))?.isLoopback ?? false
        }
        return name.lowercased() == "localhost" || IPv4Address(String(name))?.isLoopback ?? false
    }
}
