import Balancer
import Foundation
import HeapModule
import Synchronization

/// Asks backends again and again, on one thread of its own, so that no probe holds up the agent. It knows nothing of
/// what the answers mean.
final class Prober: Sendable {
    struct Result: Sendable {
        var key: BackendKey
        var target: ProbeTarget
        var outcome: ProbeOutcome
    }

    enum Report: Sendable {
        case results([Result])
        /// What the host lacks; the probe is tried again in its next turn.
        case fault(String)
    }

    /// Ends when the prober has.
    let reports: AsyncStream<Report>
    private let orders = Mutex(Orders())
    private let wake = Wake()

    fileprivate struct Orders: Sendable {
        var targets: [BackendKey: ProbeTarget] = [:]
        var tunnel: ProbeTunnel?
        /// With each change.
        var generation = 0
        var isStopped = false
    }

    init() {
        let (reports, continuation) = AsyncStream.makeStream(of: Report.self)
        self.reports = reports
        let limit = OpenFiles.raiseLimit()
        let thread = Thread { [self] in
            // A quarter of what the process may open, as the maps of services need some too.
            var rounds = ProbeRounds(most: min(max((limit - 256) / 4, 32), 1024)) { continuation.yield($0) }
            var generation = -1
            while true {
                let now = orders.withLock { $0 }
                guard !now.isStopped else { break }
                if now.generation != generation {
                    rounds.follow(now.targets, tunnel: now.tunnel)
                    generation = now.generation
                }
                rounds.turn(wake.readEnd)
                wake.drain()
            }
            // The sockets go before the tunnel does.
            rounds.end()
            continuation.finish()
        }
        thread.name = "l4lb.probes"
        thread.start()
    }

    /// Asks these and no others from now on. `tunnel`: needed where a target has a way through it.
    func follow(_ targets: [BackendKey: ProbeTarget], tunnel: ProbeTunnel?) {
        orders.withLock {
            $0.targets = targets
            $0.tunnel = tunnel
            $0.generation += 1
        }
        wake.send()
    }

    /// The stream of reports ends when it has stopped.
    func stop() {
        orders.withLock {
            $0.isStopped = true
            $0.tunnel = nil
        }
        wake.send()
    }
}

/// The turns of one thread: what is due, what is on its way.
private struct ProbeRounds {
    private let most: Int
    private let report: (Prober.Report) -> Void
    private var targets: [BackendKey: ProbeTarget] = [:]
    private var tunnel: ProbeTunnel?
    private var due = Heap<Due>()
    private var running: [ProbeSocket] = []

    /// An entry counts while its number is the target's own, so that a target has one turn at a time.
    private struct Due: Comparable {
        var time: ContinuousClock.Instant
        var key: BackendKey
        var number: Int

        static func < (a: Self, b: Self) -> Bool { a.time < b.time }
        static func == (a: Self, b: Self) -> Bool { a.time == b.time }
    }

    private var numbers: [BackendKey: Int] = [:]
    private var lastNumber = 0

    init(most: Int, report: @escaping (Prober.Report) -> Void) {
        self.most = most
        self.report = report
    }

    mutating func follow(_ wanted: [BackendKey: ProbeTarget], tunnel: ProbeTunnel?) {
        let now = ContinuousClock.now
        for (key, target) in wanted where targets[key] != target {
            // Spread over an interval, so that they do not all come at once; a first answer does not take long.
            let latest = min(target.check.interval.count, 5000)
            enqueue(key, at: now + .milliseconds(Int.random(in: 0...latest)))
        }
        numbers = numbers.filter { wanted[$0.key] != nil }
        targets = wanted
        self.tunnel = tunnel
        running.removeAll { targets[$0.key] != $0.target }
    }

    private mutating func enqueue(_ key: BackendKey, at time: ContinuousClock.Instant) {
        lastNumber += 1
        numbers[key] = lastNumber
        due.insert(Due(time: time, key: key, number: lastNumber))
    }

    mutating func end() {
        running = []
        tunnel = nil
    }

    /// Waits until something happens, and does what it asks for.
    mutating func turn(_ wake: Int32) {
        var descriptors = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0)]
        descriptors += running.map { pollfd(fd: $0.descriptor, events: $0.events, revents: 0) }
        poll(&descriptors, nfds_t(descriptors.count), wait())
        let now = ContinuousClock.now
        var results: [Prober.Result] = []
        var still: [ProbeSocket] = []
        for (probe, descriptor) in zip(running, descriptors.dropFirst()) {
            var outcome = descriptor.revents == 0 ? nil : probe.proceed()
            if outcome == nil, probe.begun + .milliseconds(probe.target.check.timeout.count) <= now {
                outcome = probe.late
            }
            guard let outcome else {
                still.append(probe)
                continue
            }
            results.append(ended(probe.key, probe.target, outcome, begun: probe.begun, now: now))
        }
        running = still
        begin(now, &results)
        if !results.isEmpty { report(.results(results)) }
    }

    private mutating func ended(
        _ key: BackendKey, _ target: ProbeTarget, _ outcome: ProbeOutcome, begun: ContinuousClock.Instant,
        now: ContinuousClock.Instant
    ) -> Prober.Result {
        enqueue(key, at: max(begun + .milliseconds(target.check.interval.count), now))
        return Prober.Result(key: key, target: target, outcome: outcome)
    }

    private mutating func begin(_ now: ContinuousClock.Instant, _ results: inout [Prober.Result]) {
        while running.count < most, let next = due.min, next.time <= now {
            due.removeMin()
            guard numbers[next.key] == next.number, let target = targets[next.key] else { continue }
            do {
                let probe = try ProbeSocket(next.key, target, tunnel: tunnel, now: now)
                if let outcome = try probe.connect() {
                    results.append(ended(next.key, target, outcome, begun: now, now: now))
                } else {
                    running.append(probe)
                }
            } catch {
                report(.fault("\(error)"))
                enqueue(next.key, at: now + .milliseconds(target.check.interval.count))
            }
        }
    }

    /// Milliseconds until something is due; -1: nothing is.
    private func wait() -> Int32 {
        var next = running.map { $0.begun + .milliseconds($0.target.check.timeout.count) }.min()
        if running.count < most, let first = due.min?.time { next = min(next ?? first, first) }
        guard let next else { return -1 }
        let left = ContinuousClock.now.duration(to: next)
        return left <= .zero ? 0 : Int32(clamping: Int(left / .milliseconds(1)) + 1)
    }
}

/// Ends a wait of poll's.
private final class Wake: Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: [Int32] = [-1, -1]
        // Without descriptors left poll passes -1 over: new targets then wait for the next turn.
        _ = pipe(&ends)
        for end in ends where end >= 0 {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func send() {
        var byte: UInt8 = 1
        // A full pipe wakes all the same.
        _ = write(writeEnd, &byte, 1)
    }

    func drain() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(readEnd, &bytes, bytes.count) > 0 {}
    }
}

/// The descriptors that this process may have.
enum OpenFiles {
    /// Raised to what the administrator allows; gives how many that are.
    static func raiseLimit() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        var raised = limit
        raised.rlim_cur = min(limit.rlim_max, 1 << 20)
        return Int(setrlimit(resource, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur)
    }
}
