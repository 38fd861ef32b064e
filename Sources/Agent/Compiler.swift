/// Where compiled programs come from: a clang of this host, or the package where there is none.
enum Compiler: Sendable {
    case clang(Clang)
    case package(PackagedObjects)

    /// A clang that was named has to be one.
    static func find(
        flag: String?, environment: [String: String], objects: String = PackagedObjects.defaultFolder
    ) throws(AgentError) -> Compiler {
        do {
            return .clang(try Clang.find(flag: flag, environment: environment))
        } catch {
            guard flag == nil, environment["L4LB_CLANG"] == nil, let package = try PackagedObjects(folder: objects)
            else { throw error }
            return .package(package)
        }
    }

    func object(_ program: ProgramSource) throws(AgentError) -> [UInt8] {
        switch self {
        case .clang(let clang): try clang.compile(program.file, macros: program.macros)
        case .package(let package): try package.object(program)
        }
    }

    var origin: ProgramOrigin {
        switch self {
        case .clang: .here
        case .package: .packaged
        }
    }
}

/// Where the running programs were compiled.
public enum ProgramOrigin: String, Sendable {
    case here, packaged
}
