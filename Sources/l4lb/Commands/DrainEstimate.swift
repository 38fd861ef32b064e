/// When the last connection of a draining backend will have ended, if they go on ending as they did of late.
struct DrainEstimate {
    /// Seconds that are looked back.
    static let window = 60.0

    private var samples: [(time: Double, count: Int)] = []

    /// `time`: in seconds, by any clock that does not go back.
    mutating func add(_ count: Int, at time: Double) {
        samples.append((time, count))
        // The one just before the window stays, so that the window is spanned.
        while samples.count > 2, samples[1].time <= time - Self.window { samples.removeFirst() }
    }

    /// Nil while none has ended.
    var secondsLeft: Int? {
        guard let first = samples.first, let last = samples.last, first.count > last.count, last.time > first.time
        else { return nil }
        let rate = Double(first.count - last.count) / (last.time - first.time)
        return Int((Double(last.count) / rate).rounded(.up))
    }
}
