/// Why the agent cannot do something: one line that names the user's thing and the mend.
public struct AgentError: Error, Sendable, CustomStringConvertible {
    public var description: String
    /// What clang or the verifier said, shown below the line.
    public var details: String

    public init(_ description: String, details: String = "") {
        self.description = description
        self.details = details
    }
}
