import Addresses
import Balancer
import Testing

@Suite struct BackendIndicesTests {
    private func key(_ number: Int) -> BackendKey {
        BackendKey(
            frontend: "40.1.1.1:80", backend: Endpoint(.v4(IPv4Address(value: 0x1401_0000 + UInt32(number))), port: 80))
    }

    @Test("a backend keeps its place, and each has its own")
    func stable() {
        var indices = BackendIndices(capacity: 8)
        #expect((0..<4).map { indices.index(for: key($0)) } == [0, 1, 2, 3])
        #expect((0..<4).map { indices.index(for: key($0)) } == [0, 1, 2, 3])
        #expect(indices[key(2)] == 2)
        #expect(indices.key(at: 2) == key(2))
        #expect(indices[key(9)] == nil)
        #expect(indices.key(at: 7) == nil)
        #expect(indices.count == 4)
    }

    @Test("the same backend of two frontends has two places")
    func perFrontend() {
        var indices = BackendIndices(capacity: 8)
        #expect(indices.index(for: .init(frontend: "40.1.1.1:80", backend: "20.1.1.1:80")) == 0)
        #expect(indices.index(for: .init(frontend: "40.1.1.1:80/udp", backend: "20.1.1.1:80")) == 1)
    }

    @Test("a place that was given back rests until all others have had their turn")
    func roundRobin() {
        var indices = BackendIndices(capacity: 4)
        for number in 0..<3 { _ = indices.index(for: key(number)) }
        indices.release(key(0))
        indices.release(key(1))
        #expect(indices.index(for: key(10)) == 3)
        #expect(indices.index(for: key(11)) == 0)
        #expect(indices.index(for: key(0)) == 1)
        #expect(indices.index(for: key(12)) == nil)
        #expect(indices.index(for: key(2)) == 2)
    }

    @Test("when all places are taken there is none, until one is released")
    func full() {
        var indices = BackendIndices(capacity: 1)
        #expect(indices.index(for: key(0)) == 0)
        #expect(indices.index(for: key(1)) == nil)
        indices.release(key(1))
        #expect(indices.index(for: key(1)) == nil)
        indices.release(key(0))
        #expect(indices.index(for: key(1)) == 0)
        #expect(indices.key(at: 0) == key(1))
    }

    @Test("all 65536 places can be taken")
    func largest() {
        var indices = BackendIndices(capacity: 65_536)
        let places = (0..<65_536).compactMap { indices.index(for: key($0)) }
        #expect(places == Array(0...UInt16.max))
        #expect(indices.index(for: key(65_536)) == nil)
        indices.release(key(40_000))
        #expect(indices.index(for: key(65_536)) == 40_000)
    }
}
