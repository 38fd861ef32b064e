/// Why a request was refused. The text names the user's thing and the mend; nothing has changed.
public struct BalancerError: Error, Hashable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// The request itself is wrong: exit code 2.
        case usage
        /// There is nothing of that name: exit code 1.
        case notFound
        /// The request cannot be carried out: exit code 1.
        case refused
    }

    public var kind: Kind
    public var description: String
    /// The place in the list of the service that it is about, where several were asked for at once.
    public var service: Int?

    public static func usage(_ text: String) -> Self { .init(kind: .usage, description: text) }
    public static func notFound(_ text: String) -> Self { .init(kind: .notFound, description: text) }
    public static func refused(_ text: String) -> Self { .init(kind: .refused, description: text) }
}
