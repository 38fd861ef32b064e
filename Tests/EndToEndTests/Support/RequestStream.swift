import Foundation
import Synchronization

/// New connections, one after the other, for as long as it runs.
final class RequestStream: Sendable {
    private struct State {
        var count = 0
        var failures: [String] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)

    init(_ network: Network) {
        Thread { [self] in
            while !state.withLock({ $0.isStopped }) {
                let result = Result { try network.client.fetch(network.frontend) }
                state.withLock { state in
                    state.count += 1
                    switch result {
                    case .success(let page): if !network.pages.contains(page) { state.failures.append(page) }
                    case .failure(let error): state.failures.append("request \(state.count): \(error)")
                    }
                }
                // Slow enough for the client's ports to suffice.
                usleep(2000)
            }
            ended.signal()
        }.start()
    }

    var count: Int { state.withLock { $0.count } }
    /// So far.
    var failures: Int { state.withLock { $0.failures.count } }

    /// The failures there have been.
    func stop() -> [String] {
        state.withLock { $0.isStopped = true }
        ended.wait()
        return state.withLock { $0.failures }
    }
}
