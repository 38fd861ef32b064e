import API
import Agent
import ArgumentParser
import Balancer
import Foundation

struct MonitorCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monitor", abstract: "Show what happens in the packet path.", subcommands: [MonitorDrops.self])
}

struct MonitorDrops: PromptAction {
    static let configuration = CommandConfiguration(
        commandName: "drops", abstract: "Show dropped packets as they come, with the reason.",
        discussion: """
            At a terminal it goes on until ^C, in a script for 60 seconds at the most. Of many drops a sample is \
            shown; 'status' counts all. With -o json each is one line. Nothing is sampled while nobody looks.
            """)

    @Option(help: "Ends after so many drops: 1 to 1000000000.")
    var count: String?
    @Option(help: "Ends after so many seconds: 1 to 86400.")
    var seconds: String?
    @Option(help: "Drops that are sampled in a second at the most: 1 to 100000.")
    var rate: String = String(LoadBalancer.defaultDropRate)
    @OptionGroup var format: FormatOptions

    /// How long a script waits that does not say.
    static let scriptSeconds = 60

    func run(_ context: PromptContext) async throws {
        let most = try count.map { try number("--count", $0, 1...1_000_000_000) }
        let longest = try seconds.map { try number("--seconds", $0, 1...86_400) }
        let rate = try number("--rate", rate, LoadBalancer.dropRates)
        let limit = longest ?? (context.isTerminal ? nil : Self.scriptSeconds)
        guard let balancer = context.agent, let signals = context.signals else {
            throw APIError(
                .unavailable,
                "monitor drops: samples are shown at the prompt of the agent itself: 'status' counts drops by reason")
        }
        let before = try await balancer.dropCount()
        try await balancer.listenToDrops(rate: rate)
        let format = format.output
        var shown = 0
        do {
            if format == .table { context.output.line(DropLine.titles) }
            shown = try await signals.interruptible {
                try await Self.show(balancer, context.output, format: format, most: most, seconds: limit)
            }
        } catch {
            try await balancer.stopListening()
            throw error
        }
        try await balancer.stopListening()
        let all = try await balancer.dropCount() - before
        if format == .table, all > shown { context.output.note("\(shown) of \(all) drops shown") }
    }

    /// How many it has shown.
    private static func show(
        _ balancer: LoadBalancer, _ output: Output, format: OutputFormat, most: Int?, seconds: Int?
    ) async throws -> Int {
        let end = seconds.map { ContinuousClock.now + .seconds($0) }
        var shown = 0
        while !Task.isCancelled {
            for drop in try await balancer.takeDrops().prefix((most ?? .max) - shown) {
                let line = DropLine(drop, time: .now)
                output.line(format == .json ? JSON.text(line, .oneLine) : line.text)
                shown += 1
            }
            if shown == most { break }
            if let end, ContinuousClock.now >= end { break }
            // Short, as the ring holds but some 1,700 of them. An interruption ends the sleep.
            try? await Task.sleep(for: .milliseconds(20))
        }
        return shown
    }
}

/// A sampled drop as it is shown.
struct DropLine: Encodable {
    var time: String
    var reason: String
    @ExplicitNull var service: UInt16?
    @ExplicitNull var frontend: String?
    @ExplicitNull var `protocol`: String?
    @ExplicitNull var client: String?
    @ExplicitNull var destination: String?
    /// Bytes of the frame.
    var length: UInt32
    @ExplicitNull var device: String?

    init(_ drop: LoadBalancer.Drop, time: Date) {
        let packet = drop.packet
        self.time = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        reason = packet.reason?.rawValue ?? "unknown"
        service = packet.service
        frontend = drop.frontend?.description
        `protocol` = packet.head.transportName
        client = packet.head.client
        destination = packet.head.target
        length = packet.length
        device = drop.device
    }

    private static let widths = [12, 20, 6, 21, 21, 6]

    static let titles = row(["TIME", "REASON", "PROTO", "CLIENT", "DESTINATION", "BYTES", "SERVICE"])

    var text: String {
        let service = service.map { id in frontend.map { "\(id) \($0)" } ?? "\(id)" }
        // Of the time the clock alone: 2026-11-27T20:45:01.123Z
        return Self.row([
            String(time.dropFirst(11).prefix(12)), reason, `protocol` ?? "-", client ?? "-", destination ?? "-",
            "\(length)", service ?? "-",
        ])
    }

    /// Lines come one by one, so that the widths are fixed; a longer cell pushes the rest to the right.
    private static func row(_ cells: [String]) -> String {
        zip(cells, widths + [0]).map { $0 + String(repeating: " ", count: max($1 - $0.count, 0)) }
            .joined(separator: Table.gap)
    }
}
