import API
import ArgumentParser
import Foundation
import Terminal

struct TopCommand: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Watch what services and backends carry, each second.",
        discussion: """
            Keys: q or ^C ends; c, n, p and b sort by connections, new ones, packets and bits; / filters, Escape takes \
            the filter away; t hides or shows the backends; arrows and Page keys scroll. Where the output is no \
            terminal, or with --batch or -n, it prints plain text.
            """)

    @Flag(name: [.customShort("b"), .long], help: "Print plain text, as to a file.")
    var batch = false
    @Option(
        name: [.customShort("n"), .long],
        help: "Prints so often, a second apart, then ends: 1 to 1000000000. (default: 1)")
    var iterations: String?
    @OptionGroup var format: FormatOptions

    struct Report: Encodable {
        var services: [TopService]
    }

    func run(_ context: PromptContext) async throws {
        let times = try iterations.map { try number("--iterations", $0, 1...1_000_000_000) }
        // The first measurement, also where there is no agent to ask.
        var window = TrafficWindow()
        _ = window.add(try await context.balancer.traffic())
        // Signals restore the terminal too.
        let signals = context.signals ?? EndSignals()
        let isBatch = batch || times != nil || format.output == .json
        let terminal = ProcessInfo.processInfo.environment["TERM"]
        if !isBatch, let screen = LiveScreen(terminalType: terminal) {
            defer { screen.end() }
            let first = window
            try await Self.untilStopped(signals) { try await Self.show(on: screen, context.balancer, first) }
        } else {
            let (first, json) = (window, format.output == .json)
            try await Self.untilStopped(signals) {
                try await Self.print(context.output, context.balancer, first, times: times ?? 1, asJSON: json)
            }
        }
    }

    /// A signal is an end like any other.
    private static func untilStopped(
        _ signals: EndSignals, _ work: @escaping @Sendable () async throws -> Void
    ) async throws {
        do {
            try await signals.interruptible(work)
        } catch is CancellationError {}
    }

    private static func print(
        _ output: Output, _ balancer: any Balancing, _ first: TrafficWindow, times: Int, asJSON: Bool
    ) async throws {
        var window = first
        for time in 0..<times {
            repeat { try await Task.sleep(for: .milliseconds(250)) } while !window.add(try await balancer.traffic())
            let services = TopView.sorted(window.services, TopControl())
            if asJSON {
                output.line(JSON.text(Report(services: services), .oneLine))
            } else {
                if time > 0 { output.line("") }
                output.line(TopView.heading(services))
                output.table(TopView.table(TopView.rows(services, showsBackends: true)))
            }
        }
    }

    private enum Event: Sendable {
        case key(Key)
        case measured(TrafficReport)
        case failed(any Error)
        case end
    }

    private static func show(on screen: LiveScreen, _ balancer: any Balancing, _ first: TrafficWindow) async throws {
        let (events, arrived) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(256))
        let keys = Task {
            for await key in screen.keys { arrived.yield(.key(key)) }
            arrived.yield(.end)
        }
        let measurements = Task {
            do {
                while true {
                    try await Task.sleep(for: .seconds(1))
                    arrived.yield(.measured(try await balancer.traffic()))
                }
            } catch { arrived.yield(.failed(error)) }
        }
        defer {
            keys.cancel()
            measurements.cancel()
        }
        var window = first
        var control = TopControl()
        func draw() {
            let size = screen.size
            let (lines, title) = TopView.screen(
                window.services, &control, columns: size.columns, rows: size.rows)
            screen.draw(lines, title: title)
        }
        draw()
        for await event in events {
            switch event {
            case .key(let key):
                guard control.press(key, page: TopView.page(rows: screen.size.rows)) else { return }
            case .measured(let report): _ = window.add(report)
            case .failed(let error): throw error
            case .end: return
            }
            draw()
        }
    }
}
