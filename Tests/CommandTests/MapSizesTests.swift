import Testing

@testable import Agent

@Suite struct MapSizesTests {
    @Test(
        "a flow table has room for the connections that were asked for, and takes the memory that is told",
        arguments: [
            (1024, 1024, 160, 288), (1025, 2048, 160, 288), (1_000_000, 1 << 20, 160, 288),
            (16_777_216, 1 << 24, 160, 288),
        ])
    func memory(asked: Int, records: Int, bytesEach: Int, bytesEach6: Int) {
        let sizes = MapSizes(mapMax: 1, connections: asked)
        #expect(sizes.records == records)
        // The bits of both kinds: a quarter of a byte.
        #expect(sizes.flowTableBytes == records * bytesEach + records / 4)
        #expect(sizes.flowTable6Bytes == records * bytesEach6 + records / 4)
    }
}
