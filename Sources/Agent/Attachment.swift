import BPF
import Balancer
import Glibc
import Netlink

/// A device with our program on it. Today the device is ours alone, or it is an error that names
/// who holds it. Its end detaches the program.
struct Attachment {
    var device: Device
    private let link: XDPLink
    private(set) var program: BPFProgram

    var isNative: Bool { link.acceleration == .native }

    init(
        _ program: BPFProgram, to device: Device, acceleration: AgentOptions.Acceleration,
        holder: () -> UInt32?
    ) throws(AgentError) {
        self.device = device
        self.program = program
        let tries: [XDPLink.Acceleration] =
            switch acceleration {
            case .native: [.native]
            case .generic: [.generic]
            case .bestEffort: [.native, .generic]
            }
        var refusal: BPFError?
        for kind in tries {
            do {
                link = try XDPLink(program, interface: device.index, acceleration: kind)
                return
            } catch {
                refusal = error
                if error.errno == EBUSY || error.errno == EEXIST { break }
            }
        }
        let hasLRO = Offload.enabled(on: device.name)?.contains(.largeReceive) == true
        throw Self.explain(
            refusal!, device: device, acceleration: acceleration, holder: holder(), hasLRO: hasLRO)
    }

    /// One that an earlier agent has made; its program is replaced in one step.
    init(_ program: BPFProgram, adopting link: XDPLink, of device: Device, from old: BPFProgram) throws(BPFError) {
        self.device = device
        self.link = link
        self.program = old
        try replace(with: program)
    }

    /// Lets it outlive this process.
    func keep(_ pins: Pins) throws { try pins.keep(link, of: device.name) }

    mutating func replace(with program: BPFProgram) throws(BPFError) {
        try link.replace(self.program, with: program)
        self.program = program
    }

    static func explain(
        _ error: BPFError, device: Device, acceleration: AgentOptions.Acceleration, holder: UInt32?, hasLRO: Bool
    ) -> AgentError {
        if error.errno == EBUSY || error.errno == EEXIST {
            let name = holder.flatMap { try? BPFProgram(id: $0) }?.name
            if name == "l4lb" {
                return AgentError(
                    "cannot attach to \(device.name): another l4lb holds it: end that one, or 'l4lb detach' if it is a service's whose agent has ended"
                )
            }
            let who =
                holder.map { "another XDP program (\(name ?? "of another user"), id \($0))" } ?? "another XDP program"
            return AgentError(
                "cannot attach to \(device.name): \(who) holds it: detach that one first (ip link set dev \(device.name) xdp off)"
            )
        }
        if acceleration == .native, error.errno == EOPNOTSUPP || error.errno == EINVAL || error.errno == ERANGE {
            guard !hasLRO else {
                return AgentError(
                    "cannot attach to \(device.name): the driver refuses native XDP while LRO is on: ethtool -K \(device.name) lro off"
                )
            }
            return AgentError(
                "cannot attach to \(device.name): the driver refuses native XDP (\(String(cString: strerror(error.errno)))): use --bpf-lb-acceleration=best-effort or generic"
            )
        }
        return AgentError("cannot attach to \(device.name): \(String(cString: strerror(error.errno)))")
    }
}
