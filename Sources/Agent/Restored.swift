import Balancer

extension LoadBalancer {
    /// What an earlier agent was asked for. Without it a packet path that is at work would lose its services.
    static func restore(
        _ saved: SavedState?, isAtWork: Bool, options: AgentOptions
    ) throws -> SavedState.Restored {
        guard let saved else {
            guard !isAtWork else {
                throw AgentError(
                    "--state: \(options.stateFile) is missing, and a packet path is at work at \(options.bpfRoot)/l4lb: put the file back, or end that with 'l4lb detach'"
                )
            }
            return SavedState.Restored(
                state: DesiredState(mode: options.mode, mapMax: options.mapMax),
                indices: BackendIndices(capacity: options.mapMax))
        }
        guard let restored = try saved.restored(mapMax: options.mapMax) else {
            throw AgentError(
                "--state: \(options.stateFile) holds what this version does not know: use the one that wrote it")
        }
        return restored
    }
}
