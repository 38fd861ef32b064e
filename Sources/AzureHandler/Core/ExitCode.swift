/// How a command ends. The agent of Azure sees eight bits; the same number is the code of an error in the status.
enum ExitCode: Int32, CaseIterable, Sendable {
    case done = 0
    case usage = 2
    case unsupported = 51
    case missing = 52
    case settings = 53
    case protectedSettings = 54
    case older = 55
    case forbidden = 56
    case files = 57
    case notUp = 58
    case otherPackage = 59
    case locked = 60
    case environment = 61
    case removal = 62
    case notStopped = 63

    var meaning: String {
        switch self {
        case .done: "done"
        case .usage: "the command line is wrong"
        case .unsupported: "this operating system or kernel is not supported"
        case .missing: "something that is needed is missing: a library, openssl, systemd, a file of the package"
        case .settings: "the settings are wrong; the message names the path in them"
        case .protectedSettings: "the protected settings cannot be decrypted"
        case .older: "a newer version is installed: it has to be removed first"
        case .forbidden: "\(Layout.updateGate) forbids another version"
        case .files: "files could not be written"
        case .notUp: "the service did not come up; what was there before was put back"
        case .otherPackage: "l4lb was installed by other means: remove that first"
        case .locked: "another command of the handler is at work"
        case .environment: "HandlerEnvironment.json or another file of the agent is missing or damaged"
        case .removal: "something could not be removed"
        case .notStopped: "the service could not be stopped"
        }
    }

    /// For the manual: a line each.
    static var table: String {
        allCases.map { "  \($0.rawValue)\($0.rawValue < 10 ? " " : "")  \($0.meaning)" }.joined(separator: "\n")
    }
}

/// Why a command could not do what it was asked.
struct HandlerError: Error, CustomStringConvertible {
    var code: ExitCode
    /// One line that names the thing and the mend.
    var description: String

    init(_ code: ExitCode, _ description: String) {
        self.code = code
        self.description = description
    }
}
