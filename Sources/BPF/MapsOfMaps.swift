import Dispatch
import Foundation
import Synchronization

extension BPFMap {
    /// Puts maps into a map of maps, with one wait for the packets in flight.
    public func update(keys: [UInt32], maps: [BPFMap]) throws(BPFError) {
        try update(keys: keys, values: maps.map { UInt32(bitPattern: $0.descriptor.raw) })
    }

    private static let removers = 64

    /// Takes maps out of a map of maps. For each the kernel waits until the packets in flight have passed, some
    /// 10 ms, and has no call for several: threads wait for the same packets.
    public func removeMaps(keys: [UInt32]) throws(BPFError) {
        let threads = min(keys.count, Self.removers)
        guard threads > 1 else {
            for key in keys { try remove(key) }
            return
        }
        let failure = Mutex<BPFError?>(nil)
        let done = DispatchSemaphore(value: 0)
        for first in 0..<threads {
            Thread.detachNewThread { [self] in
                for place in stride(from: first, to: keys.count, by: threads) {
                    do throws(BPFError) {
                        try remove(keys[place])
                    } catch {
                        failure.withLock { $0 = error }
                    }
                }
                done.signal()
            }
        }
        for _ in 0..<threads { done.wait() }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
