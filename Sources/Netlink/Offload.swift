import CMnl
import Glibc

/// What a device does with packets on behalf of the network stack.
public enum Offload: String, Hashable, Sendable, CaseIterable {
    /// Checksums are left half done for the device.
    case transmitChecksum = "tx"
    /// Packets larger than the link are handed to the device.
    case tcpSegmentation = "tso"
    case segmentation = "gso"
    /// Received packets are put together to larger ones.
    case receive = "gro"
    /// The device itself does so; drivers refuse native XDP meanwhile.
    case largeReceive = "lro"

    private var command: UInt32 {
        switch self {
        case .transmitChecksum: UInt32(ETHTOOL_GTXCSUM)
        case .tcpSegmentation: UInt32(ETHTOOL_GTSO)
        case .segmentation: UInt32(ETHTOOL_GGSO)
        case .receive: UInt32(ETHTOOL_GGRO)
        case .largeReceive: UInt32(ETHTOOL_GFLAGS)
        }
    }

    /// The bits of the answer that mean it.
    private var mask: UInt32 { self == .largeReceive ? UInt32(ETH_FLAG_LRO.rawValue) : .max }

    /// Those that are on, of a device in the thread's network namespace; nil where its driver does not say.
    public static func enabled(on device: String) -> Set<Offload>? {
        guard (1..<Int(IFNAMSIZ)).contains(device.utf8.count) else { return nil }
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var enabled: Set<Offload> = []
        for offload in allCases {
            guard let isOn = offload.read(device, descriptor) else { return nil }
            if isOn { enabled.insert(offload) }
        }
        return enabled
    }

    private func read(_ device: String, _ descriptor: Int32) -> Bool? {
        var value = ethtool_value(cmd: command, data: 0)
        var request = unsafe ifreq()
        let result = unsafe withUnsafeMutablePointer(to: &value) { value in
            unsafe withUnsafeMutableBytes(of: &request.ifr_ifrn) { unsafe $0.copyBytes(from: device.utf8) }
            unsafe request.ifr_ifru.ifru_data = unsafe UnsafeMutableRawPointer(value).assumingMemoryBound(
                to: CChar.self)
            return unsafe ioctl(descriptor, UInt(SIOCETHTOOL), &request)
        }
        return result == 0 ? value.data & mask != 0 : nil
    }
}
