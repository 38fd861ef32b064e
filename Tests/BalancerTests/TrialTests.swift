import Addresses
import Testing

@testable import Balancer

/// What is applied until it is confirmed.
@Suite struct TrialTests {
    private let time = Trial.Time(now: 1000, seconds: 60)

    private func first() throws -> DesiredState {
        var state = DesiredState(mode: .snat)
        _ = try state.update(request("40.1.1.1:80", id: "1"), origin: .command)
        try state.apply(
            DeclaredState(services: [request("40.1.1.2:80"), request("40.1.1.3:80", id: "7")]), origin: .file)
        return state
    }

    /// Creates one, replaces one, removes one, takes one over, and changes the mode.
    private func second() throws -> DeclaredState {
        DeclaredState(
            mode: .dsr,
            services: [
                try request("40.1.1.1:80"), try request("40.1.1.3:80", "20.1.1.30:80"), try request("40.1.1.4:80"),
            ])
    }

    @Test("what is not confirmed is taken back whole")
    func takenBack() throws {
        var state = try first()
        let before = state
        let change = try state.apply(second(), origin: .file, trial: time)
        #expect(change.created.count == 1 && change.replaced.count == 1 && change.removed.count == 1)
        #expect(change.adopted.count == 1 && state.mode == .dsr)
        #expect(state.trial?.deadline == 1060)
        let back = state.takeBack()
        #expect(back.problems == [] && state == before)
        #expect(back.change.created.map(\.frontend) == ["40.1.1.2:80/tcp"])
    }

    @Test("several in a row are taken back together, to what was confirmed last")
    func several() throws {
        var state = try first()
        let before = state
        try state.apply(second(), origin: .file, trial: time)
        try state.apply(DeclaredState(services: []), origin: .file, trial: .init(now: 1030, seconds: 100))
        #expect(state.trial?.deadline == 1130 && state.services.isEmpty)
        _ = state.takeBack()
        #expect(state == before)
    }

    @Test("what is confirmed, or applied again for good, stays")
    func confirmed() throws {
        var state = try first()
        #expect(refusal { try state.confirm() }?.description.contains("nothing waits") == true)
        try state.apply(second(), origin: .file, trial: time)
        var other = state
        try state.confirm()
        try other.apply(second(), origin: .file)
        for var state in [state, other] {
            let before = state
            #expect(state.trial == nil && state.takeBack().change.isEmpty && state == before)
        }
    }

    @Test("where nothing changes nothing waits")
    func nothing() throws {
        var state = try first()
        try state.apply(
            DeclaredState(services: [request("40.1.1.2:80"), request("40.1.1.3:80")]), origin: .file, trial: time)
        #expect(state.trial == nil)
    }

    @Test("what commands and operators have set meanwhile stays, and what stands in the way is said")
    func meanwhile() throws {
        var state = try first()
        try state.apply(second(), origin: .file, trial: time)
        // The frontend and the id of what was removed, a service of their own, and a mode of their own.
        _ = try state.update(request("40.1.1.2:80", "20.1.1.40:80"), origin: .command)
        _ = try state.update(request("40.1.1.9:80"), origin: .command)
        _ = try state.setState(.maintenance, of: "20.1.1.10:80", service: 1)
        try state.setMode(.snat)
        let (_, problems) = state.takeBack()
        #expect(problems.count == 1 && problems[0].contains("40.1.1.2:80/tcp"))
        #expect(state.mode == .snat)
        #expect(state.service(of: "40.1.1.2:80/tcp")?.backends.map(\.endpoint) == ["20.1.1.40:80"])
        #expect(state.service(of: "40.1.1.9:80/tcp")?.origin == .command)
        #expect(state.service(of: "40.1.1.4:80/tcp") == nil)
        #expect(state.services[1]?.origin == .command)
        #expect(state.services[1]?.backends[0].override == .maintenance)
    }

    @Test(
        "time runs from the deadline, and a clock that was set back makes it no longer",
        arguments: [(1000, 60), (1059, 1), (1060, 0), (5000, 0), (10, 60)] as [(Int64, Int64)])
    func remaining(now: Int64, left: Int64) throws {
        var state = try first()
        try state.apply(second(), origin: .file, trial: time)
        #expect(state.trial?.remaining(at: now) == left)
    }

    @Test("it survives the agent")
    func saved() throws {
        var state = try first()
        let before = state
        try state.apply(second(), origin: .file, trial: time)
        let saved = SavedState(state, indices: BackendIndices(capacity: 100), serviceIDs: [:])
        var restored = try #require(try saved.restored(mapMax: DesiredState.defaultMapMax)).state
        #expect(restored == state)
        _ = restored.takeBack()
        #expect(restored == before)
        var damaged = saved
        damaged.trial?.oldMode = "nat"
        #expect(try damaged.restored(mapMax: DesiredState.defaultMapMax) == nil)
    }
}
