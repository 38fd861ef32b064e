@preconcurrency import Dispatch
import Foundation
import Synchronization
import Terminal

/// SIGTERM and SIGHUP end the agent in order, SIGINT does what the interrupt key does. They are
/// held from the beginning on, so that one that comes while the program is being compiled leaves
/// nothing behind either.
final class EndSignals: Sendable {
    private let receiver = Receiver()
    private let sources: [any DispatchSourceSignal]

    /// A service has no terminal whose end could be its own: SIGHUP is `hangup` there.
    init(isService: Bool = false, hangup: @escaping @Sendable () -> Void = {}) {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        let receiver = receiver
        var sources = (isService ? [SIGTERM, SIGINT] : [SIGTERM, SIGHUP, SIGINT]).map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { receiver.arrived(number) }
            return source
        }
        if isService {
            let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
            source.setEventHandler(handler: hangup)
            sources.append(source)
        }
        for source in sources { source.resume() }
        self.sources = sources
    }

    /// Carries out the work of a command that goes on until it is told to stop: a signal cancels it.
    func interruptible<Result: Sendable>(
        _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let task = Task(operation: work)
        receiver.begin { task.cancel() }
        defer { receiver.finish() }
        return try await task.value
    }

    /// Returns when the agent is to end.
    func wait() async {
        try? await interruptible { while true { try await Task.sleep(for: .seconds(3600)) } }
    }

    /// From now on signals reach whoever reads lines, one that has come before too.
    func attach(_ editor: LineEditor, isTerminal: Bool) {
        receiver.attach(editor, isTerminal: isTerminal)
    }
}

private final class Receiver: Sendable {
    private struct State {
        var editor: LineEditor?
        var isTerminal = false
        var hasEnded = false
        /// Ends the command that is running, where it can be.
        var interrupt: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    func arrived(_ number: Int32) {
        state.withLock { state in
            state.interrupt?()
            if number == SIGINT, state.isTerminal, let editor = state.editor {
                // Without effect while a command runs.
                editor.interrupt()
            } else {
                state.hasEnded = true
                state.editor?.stop()
            }
        }
    }

    func begin(_ interrupt: @escaping @Sendable () -> Void) {
        state.withLock { state in
            state.interrupt = interrupt
            if state.hasEnded { interrupt() }
        }
    }

    func finish() {
        state.withLock { $0.interrupt = nil }
    }

    func attach(_ editor: LineEditor, isTerminal: Bool) {
        state.withLock { state in
            state.editor = editor
            state.isTerminal = isTerminal
            if state.hasEnded { editor.stop() }
        }
    }
}
