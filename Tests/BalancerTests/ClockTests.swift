import Balancer
import Testing

@Suite struct ClockTests {
    @Test(
        "a tick is about a quarter second whatever the kernel's HZ",
        arguments: [(100, 5), (250, 6), (300, 6), (1000, 8)] as [(UInt32, UInt32)])
    func shift(hertz: UInt32, shift: UInt32) {
        let clock = Clock(hertz: hertz)
        #expect(clock.shift == shift)
        #expect(clock.tick == Double(1 << shift) / Double(hertz))
        #expect((0.2...0.5).contains(clock.tick))
    }

    @Test("any HZ gives a clock that goes", arguments: [1, 2, 3, 24, 64, 128, 1024, 1200, 10_000, .max] as [UInt32])
    func odd(hertz: UInt32) {
        let clock = Clock(hertz: hertz)
        #expect(hertz < 6 || (0.15...0.5).contains(clock.tick))
        #expect(clock.ticks(86_400) > 0)
    }

    @Test("seconds become ticks, rounded down exactly", arguments: [100, 250, 300, 1000] as [UInt32])
    func ticks(hertz: UInt32) {
        let clock = Clock(hertz: hertz)
        #expect(clock.ticks(0) == 0)
        for seconds in UInt32(1)...4000 {
            let ticks = UInt64(clock.ticks(seconds))
            #expect(ticks << clock.shift <= UInt64(seconds) * UInt64(hertz))
            #expect((ticks + 1) << clock.shift > UInt64(seconds) * UInt64(hertz))
        }
        #expect(clock.ticks(.max) == UInt32.max / 2)
    }

    @Test("ticks become whole seconds, and none where a stamp is ahead", arguments: [100, 250, 300, 1000] as [UInt32])
    func seconds(hertz: UInt32) {
        let clock = Clock(hertz: hertz)
        for start: UInt32 in [0, 1000, .max - 10] {
            #expect(clock.seconds(from: start, to: start) == 0)
            #expect(clock.seconds(from: start, to: start &- 5) == 0)
            let ticks = (32 * hertz) >> clock.shift
            let exact = (32 * hertz) & ((1 << clock.shift) - 1) == 0
            #expect(clock.seconds(from: start, to: start &+ ticks) == (exact ? 32 : 31))
            #expect(clock.seconds(from: start, to: start &+ (ticks + 1)) == 32)
        }
        #expect(
            clock.seconds(from: 0, to: UInt32(Int32.max)) == (UInt64(Int32.max) << UInt64(clock.shift)) / UInt64(hertz))
    }

    @Test("a tick is jiffies without their low bits, and wraps with them")
    func jiffies() {
        let clock = Clock(hertz: 250)
        #expect(clock.tick(jiffies: 63) == 0)
        #expect(clock.tick(jiffies: 64) == 1)
        #expect(clock.tick(jiffies: 1 << 38) == 0)
        #expect(clock.tick(jiffies: (1 << 38) - 1) == .max)
        #expect(clock.tick(jiffies: .max) == .max)
    }

    @Test("nothing is shown for longer than its timeout", arguments: [100, 250, 300, 1000] as [UInt32])
    func timeouts(hertz: UInt32) {
        let clock = Clock(hertz: hertz)
        var timeouts = Timeouts()
        #expect((timeouts.syn, timeouts.established, timeouts.closing, timeouts.udp) == (60, 8000, 10, 60))
        for seconds: UInt32 in [1, 2, 10, 59, 60, 8000, 2_592_000] {
            (timeouts.syn, timeouts.established, timeouts.closing, timeouts.udp) = (seconds, seconds, seconds, seconds)
            for state in [ConnectionState.syn, .established, .closing, .active] {
                let ticks = UInt64(timeouts.ticks(state, clock: clock))
                let limit = UInt64(seconds) * UInt64(hertz)
                #expect(ticks >= 1)
                // It ends when more ticks than these have passed.
                #expect((ticks + 1) << clock.shift <= limit)
                #expect((ticks + 2) << clock.shift > limit)
            }
        }
    }

    @Test("each state has its own timeout")
    func ownTimeouts() {
        var timeouts = Timeouts()
        (timeouts.syn, timeouts.established, timeouts.closing, timeouts.udp) = (1, 2, 3, 4)
        let clock = Clock(hertz: 256)
        #expect([.syn, .established, .closing, .active].map { timeouts.ticks($0, clock: clock) } == [3, 7, 11, 15])
    }
}
