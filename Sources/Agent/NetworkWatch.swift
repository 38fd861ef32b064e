@preconcurrency import Dispatch
import Netlink
import Synchronization

/// Tells of changes to links, addresses, routes and neighbours, for as long as it lives.
final class NetworkWatch: Sendable {
    private let source: any DispatchSourceRead

    init(_ report: @escaping @Sendable (NetlinkMonitor.Change) -> Void) throws {
        let monitor = OpenMonitor(try NetlinkMonitor())
        source = DispatchSource.makeReadSource(
            fileDescriptor: monitor.fileDescriptor, queue: DispatchQueue(label: "l4lb.network"))
        source.setEventHandler {
            let change = monitor.drain()
            if !change.isEmpty { report(change) }
        }
        source.resume()
    }

    deinit {
        source.cancel()
    }
}

/// Closures hold no noncopyable value by themselves.
private final class OpenMonitor: Sendable {
    private let monitor: Mutex<NetlinkMonitor>
    let fileDescriptor: Int32

    init(_ monitor: consuming NetlinkMonitor) {
        fileDescriptor = monitor.fileDescriptor
        self.monitor = Mutex(monitor)
    }

    /// What cannot be read is looked at as a whole.
    func drain() -> NetlinkMonitor.Change {
        monitor.withLock { (try? $0.drain()) ?? .lost }
    }
}
