import Addresses
import CDataplane
import Testing

@testable import Balancer

@Suite struct HealthBookTests {
    @Test(
        "one result decides about a new backend, then runs of results do",
        arguments: [
            // p: passed, f: failed; c, u, d: checking, up, down.
            (2, 3, "p", "u"), (2, 3, "f", "d"), (2, 3, "pff", "uuu"), (2, 3, "pfff", "uuud"),
            (2, 3, "pffpff", "uuuuuu"), (2, 3, "pffpfff", "uuuuuud"), (2, 3, "fpp", "ddu"), (2, 3, "fpfpp", "ddddu"),
            (1, 1, "pfpf", "udud"), (3, 1, "fppp", "dddu"), (2, 2, "fppff", "dduud"), (2, 3, "fppfff", "dduuud"),
        ])
    func runs(rise: Int, fall: Int, results: String, verdicts: String) {
        var health = BackendHealth()
        #expect(health.verdict == .checking && health.reason == nil)
        for (result, verdict) in zip(results, verdicts) {
            let before = health.verdict
            let outcome: ProbeOutcome = result == "p" ? .passed : .failed("refused")
            #expect(health.note(outcome, rise: rise, fall: fall) == (health.verdict != before))
            #expect(health.verdict.rawValue.first == verdict, "\(results)")
            // What just went wrong is shown before it takes the backend out, and for as long as it is out.
            let isWell = health.verdict == .up && result == "p"
            #expect(health.reason == (isWell ? nil : "refused"))
        }
    }

    private static let backends = "20.1.1.10:80,20.1.1.20:80,20.1.1.30:80,20.1.1.40:80"

    private static func key(_ place: Int) -> BackendKey {
        BackendKey(frontend: "40.1.1.1:80/tcp", backend: Endpoint("20.1.1.\(place)0:80")!)
    }

    /// A service whose backends of these places are down.
    private func book(
        down: [Int], panic: String? = nil, states: String? = nil, weights: String? = nil
    ) throws -> (HealthBook, DesiredState) {
        var state = DesiredState(mode: .snat)
        let request = try request(
            "40.1.1.1:80", Self.backends, weights: weights, states: states,
            health: .init(check: "tcp", panicThreshold: panic))
        let service = try state.update(request, origin: .command).service
        var book = HealthBook()
        book.follow(state)
        for place in 1...4 {
            _ = book.note(
                down.contains(place) ? .failed("refused") : .passed, of: Self.key(place), check: service.healthCheck!)
        }
        return (book, state)
    }

    @Test(
        "below the threshold, or when none is left, all are used as the user set them",
        arguments: [
            ("0", nil, [1, 2, 3], false, "mmma"), ("0", nil, [1, 2, 3, 4], true, "aaaa"),
            ("50", nil, [1, 2], false, "mmaa"), ("50", nil, [1, 2, 3], true, "aaaa"),
            ("51", nil, [1, 2], true, "aaaa"), ("100", nil, [1], true, "aaaa"), ("100", nil, [], false, "aaaa"),
            // Only those count that may take connections.
            ("0", "active,draining,maintenance,draining", [1], true, "admd"),
            ("0", "active,draining,maintenance,draining", [2, 3], false, "ammd"),
            ("50", "active,active,draining,draining", [3, 4], false, "aamm"),
            ("0", "draining,draining,maintenance,maintenance", [1], false, "mdmm"),
        ] as [(String, String?, [Int], Bool, String)])
    func panic(threshold: String, states: String?, down: [Int], isPanic: Bool, used: String) throws {
        let (book, state) = try book(down: down, panic: threshold, states: states)
        let service = try state.service(id: 1)
        #expect(book.health(of: service)?.isPanic == isPanic)
        #expect(String(book.apply(to: service).compactMap { $0.state.rawValue.first }) == used)
    }

    @Test("a backend of weight 0 is not one that could be used instead")
    func weight() throws {
        let (book, state) = try book(down: [1, 2, 3], weights: "1,1,1,0")
        let health = try #require(book.health(of: try state.service(id: 1)))
        #expect((health.wanted, health.healthy, health.isPanic) == (3, 0, true))
    }

    @Test("a dead backend has no slot and gets no packet, and comes back as it was")
    func plan() throws {
        var network = Network(reaching: ["20.1.1.10", "20.1.1.20", "20.1.1.30", "20.1.1.40"])
        let (well, state) = try book(down: [])
        network.health = well
        let before = try Plan(network.input(state), indices: BackendIndices(capacity: 100))
        var memory = PlanMemory()
        memory.remember(before, of: state)
        network.health = try book(down: [2]).0
        let during = try Plan(network.input(state), indices: before.indices, previous: memory)
        let place = try #require(before.indices[Self.key(2)])
        #expect(Set(try #require(during.contents.tables[1])) == Set(before.indices.all.values).subtracting([place]))
        let flags = UInt32(try #require(during.contents.backends[place]).flags)
        #expect(flags & L4LB_BACKEND_MAINTENANCE.rawValue != 0 && flags & L4LB_BACKEND_ACTIVE.rawValue == 0)
        memory.remember(during, of: state)
        network.health = well
        let after = try Plan(network.input(state), indices: during.indices, previous: memory)
        #expect(after.contents.isSame(as: before.contents))
    }

    @Test("entries come and go with the checks, and a change of a check keeps what is known")
    func follow() throws {
        var (book, state) = try book(down: [1])
        let tcp = HealthCheck.Texts(check: "tcp")
        let http = HealthCheck.Texts(check: "http")
        _ = try state.update(request("40.1.1.1:80", "20.1.1.10:80,20.1.1.50:80", health: http), origin: .command)
        book.follow(state)
        #expect(book[Self.key(1)]?.verdict == .down && book[Self.key(5)]?.verdict == .checking)
        #expect(book[Self.key(2)] == nil)
        #expect(book.note(.failed("late"), of: Self.key(2), check: HealthCheck(.tcp)) == nil)
        _ = try state.update(request("40.1.1.1:80", "20.1.1.10:80"), origin: .command)
        book.follow(state)
        #expect(book == HealthBook())
        _ = try state.update(request("40.1.1.1:80", "20.1.1.10:80", health: tcp), origin: .command)
        book.follow(state)
        #expect(book[Self.key(1)]?.verdict == .checking)
    }

    @Test("after a restart the dead are dead; the others are up where packets went on, else they are checked anew")
    func restore() throws {
        let (old, state) = try book(down: [3])
        #expect(old.down == [Self.key(3): "refused"])
        for isAtWork in [true, false] {
            var book = HealthBook()
            book.follow(state)
            book.restore(old.down, isAtWork: isAtWork)
            #expect(book[Self.key(3)] == BackendHealth(.down, reason: "refused"))
            #expect(book[Self.key(1)]?.verdict == (isAtWork ? .up : .checking))
        }
    }

    @Test("a change tells what was and what is, and why")
    func changes() throws {
        var (book, state) = try book(down: [])
        let check = try #require(try state.service(id: 1).healthCheck)
        let results = (0..<3).map { _ in book.note(.failed("refused"), of: Self.key(1), check: check) }
        #expect(results == [nil, nil, .init(before: .up, after: .down, reason: "refused")])
        #expect(book.note(.passed, of: Self.key(1), check: check) == nil)
        #expect(
            book.note(.passed, of: Self.key(1), check: check) == .init(before: .down, after: .up, reason: nil))
    }
}
