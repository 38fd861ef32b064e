import Testing

@testable import l4lb

@Suite struct EventLogTests {
    @Test("what happens again before the next prompt is shown once, in the order in which it came")
    func repeated() {
        let events = EventLog()
        for line in ["error: b", "error: a", "error: b"] { events.add(line) }
        #expect(events.take() == ["error: b", "error: a"])
        #expect(events.take() == [])
        events.add("error: b")
        #expect(events.take() == ["error: b"])
    }

    @Test("events that nobody reads do not fill the memory")
    func bounded() {
        let events = EventLog()
        for number in 0..<10_000 { events.add("\(number)") }
        #expect(events.take().count == 100)
    }
}
