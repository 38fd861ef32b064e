import Addresses
import Balancer

/// A load balancer as its commands see it: the agent itself, or one that is reached over its socket.
/// Each call returns when the packet path has what it says.
///
/// Errors are `BalancerError` where the agent is in this process, and `APIError`.
public protocol Balancing: Sendable {
    /// Creates the frontend's service, or replaces it as a whole.
    func update(_ request: ServiceRequest) async throws -> ServiceUpdateReport
    /// By id.
    func services() async throws -> ServiceListReport
    /// For completion: cheaper than the services.
    func serviceIDs() async throws -> [UInt16]
    func service(id: UInt16) async throws -> ServiceReport
    /// The oldest active connections, `limit` at the most, and each backend's totals.
    func connections(id: UInt16, limit: Int) async throws -> DumpReport
    func delete(id: UInt16) async throws -> DeletedReport
    /// Deletes what commands have made.
    func deleteAll() async throws -> DeletedReport
    /// Those at one address and port, or all: by service, in the order in which the user gave them.
    func backends(_ endpoint: Endpoint?) async throws -> BackendListReport
    /// Sets an operator's state for a backend, or undoes it (nil), in one service or in all that have it.
    func setState(_ state: BackendState?, of backend: Endpoint, service: UInt16?) async throws -> BackendListReport
    /// What happens to a flow's next packet; it changes nothing.
    func explain(client: Endpoint, frontend: Frontend) async throws -> ExplainReport
    func neighbours() async throws -> NeighborListReport
    func mode() async throws -> ModeReport
    func updateMode(_ mode: Mode) async throws -> ModeUpdateReport
    func status() async throws -> StatusReport
    /// What the agent measured last; it costs little to ask each second.
    func traffic() async throws -> TrafficReport
    /// In Prometheus' text format.
    func metrics() async throws -> [UInt8]
    /// Whether packets are balanced.
    func isReady() async -> Bool
    /// What applying a file's state would change.
    func plan(_ config: Config) async throws -> PlanReport
    /// All of it or nothing; taken back after some seconds unless it is confirmed, where they are given.
    func apply(_ config: Config, confirmSeconds: Int64?) async throws -> ApplyReport
    func confirm() async throws -> ConfirmReport
    /// What is running, as a file.
    func config() async throws -> Config
}
