import Testing

@testable import l4lb

@Suite struct DrainEstimateTests {
    @Test(
        "connections that end at some pace are gone after so many seconds",
        arguments: [
            ("nothing is known yet", [(0, 10)], nil),
            ("none has ended", [(0, 10), (5, 10)], nil),
            ("more than before: late ones of affinity", [(0, 10), (5, 12)], nil),
            ("one a second", [(0, 10), (4, 6)], 6),
            ("rounded up", [(0, 10), (3, 8)], 12),
            ("none is left", [(0, 10), (5, 0)], 0),
            ("the pace of the last minute counts", [(0, 1000), (40, 100), (100, 70), (110, 65)], 130),
            ("two readings at once", [(0, 10), (0, 5)], nil),
        ] as [(String, [(Double, Int)], Int?)])
    func estimate(_: String, samples: [(Double, Int)], seconds: Int?) {
        var estimate = DrainEstimate()
        for (time, count) in samples { estimate.add(count, at: time) }
        #expect(estimate.secondsLeft == seconds)
    }
}
