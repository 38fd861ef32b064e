import Addresses
import Balancer

/// The frames that a case sends, and what has to come out.
struct BenchFrames {
    let what: BenchProgram
    let places: BenchPlaces
    /// SNAT: the balancer's and the backend's end of the reply's flow, that of flow 0.
    var translated: (source: Endpoint, destination: Endpoint)?

    init(_ what: BenchProgram) {
        self.what = what
        places = BenchPlaces(isIPv6: what.isIPv6)
    }

    /// A client's packet.
    func request(_ flags: PacketFrame.Flags, flow: UInt32 = 0) -> [UInt8] {
        PacketFrame.tcp(from: places.client(flow), to: places.frontend(ofFlow: flow), flags)
    }

    /// Nil for a reply that nobody has a connection for.
    func frame(_ traffic: BenchCase.Traffic) -> [UInt8]? {
        let (client, frontend) = (places.client(0), places.frontend(0))
        switch traffic {
        case .oneFlow, .manyFlows: return request(.ack)
        case .newFlows: return request(.syn)
        case .otherAddress:
            return PacketFrame.tcp(from: client, to: Endpoint(places.stranger, port: frontend.port), .ack)
        case .otherPort: return PacketFrame.tcp(from: client, to: Endpoint(frontend.address, port: 9), .ack)
        case .tooBig:
            return PacketFrame.tooBig(from: places.router, to: frontend.address, about: frontend, client: client)
        case .oneReply, .manyReplies:
            return translated.map {
                PacketFrame.tcp(
                    from: $0.destination, to: $0.source, .ack, link: (BenchPlaces.ours, BenchPlaces.nextHop))
            }
        }
    }

    /// Whether a frame that came out for flow 0 is what the case says, byte by byte. Which backend was chosen, its
    /// SNAT port and the outer flow label are the program's own choice.
    func isRight(_ out: [UInt8], for traffic: BenchCase.Traffic) -> Bool {
        let (client, frontend) = (places.client(0), places.frontend(0))
        let link = (to: BenchPlaces.nextHop, from: BenchPlaces.ours)
        guard traffic.isForwarded else { return out == frame(traffic) }
        if traffic.isReply {
            return out
                == PacketFrame.tcp(
                    from: frontend, to: client, .ack, hops: 63, link: (BenchPlaces.clientLink, BenchPlaces.ours))
        }
        guard let backend = PacketFrame.addresses(out)?.destination,
            let server = places.backends(of: 0).first(where: { $0.address == backend })
        else { return false }
        let flags: PacketFrame.Flags = traffic == .newFlows ? .syn : .ack
        if what.mode == .dsr {
            let inner =
                traffic == .tooBig
                ? PacketFrame.tooBig(
                    from: places.router, to: frontend.address, about: frontend, client: client, hops: 63, link: link)
                : PacketFrame.tcp(from: client, to: frontend, flags, hops: 63, link: link)
            return out
                == PacketFrame.encapsulated(
                    inner, from: places.balancer, to: backend, label: PacketFrame.flowLabel(out))
        }
        if traffic == .tooBig {
            guard let translated else { return false }
            return out
                == PacketFrame.tooBig(
                    from: places.router, to: backend, about: server, client: translated.source, hops: 63, link: link)
        }
        guard let source = PacketFrame.ends(out)?.source, source.address == places.balancer else { return false }
        return out == PacketFrame.tcp(from: source, to: server, flags, hops: 63, link: link)
    }
}
