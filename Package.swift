// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]
/// The modules that touch C: every unsafe expression is marked `unsafe`.
let strictMemory: [SwiftSetting] = strict + [.strictMemorySafety()]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "l4lb",
    products: [
        .executable(name: "l4lb", targets: ["l4lb"]),
        .executable(name: "l4lb-azure-handler", targets: ["AzureHandler"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        // What the API's two are made of, where it shows.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // C: the ABI with the XDP program, the libraries' doors, and bpf/ as bytes.
        .systemLibrary(name: "CDataplane", path: "bpf"),
        .systemLibrary(name: "CLibBPF", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev", "libelf-dev"])]),
        .systemLibrary(name: "CMnl", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
        .target(name: "CEdit", linkerSettings: [.linkedLibrary("edit")]),
        .target(name: "DataplaneSources"),

        // Pure: no system calls.
        .target(name: "Addresses", swiftSettings: strict),
        .target(name: "Balancer", dependencies: ["Addresses", "CDataplane"], swiftSettings: strict),

        // The edges.
        .target(name: "BPF", dependencies: ["CLibBPF"], swiftSettings: strictMemory),
        .target(name: "Netlink", dependencies: ["Addresses", "CMnl"], swiftSettings: strictMemory),
        .target(name: "Terminal", dependencies: ["CEdit"], swiftSettings: strictMemory),
        .target(
            name: "Agent",
            dependencies: [
                "Addresses", "Balancer", "BPF", "CDataplane", "DataplaneSources", "Netlink", logging,
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: strict),
        .target(
            name: "API",
            dependencies: [
                "Addresses", "Balancer", logging,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "l4lb",
            dependencies: ["Addresses", "Agent", "API", "Balancer", "Terminal", argumentParser, logging, yams],
            swiftSettings: strict),
        // The VM extension's program.
        .executableTarget(
            name: "AzureHandler",
            dependencies: [
                "API", "Balancer", argumentParser, .product(name: "Subprocess", package: "swift-subprocess"),
            ],
            swiftSettings: strict),

        .testTarget(
            name: "APITests",
            dependencies: [
                "Addresses", "API", "Balancer", "CDataplane",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ],
            swiftSettings: strict),
        .testTarget(name: "AddressesTests", dependencies: ["Addresses"], swiftSettings: strict),
        .testTarget(name: "AzureHandlerTests", dependencies: ["AzureHandler", "API"], swiftSettings: strict),
        .testTarget(
            name: "BalancerTests", dependencies: ["Addresses", "Balancer", "CDataplane"], swiftSettings: strict),
        .testTarget(
            name: "CommandTests",
            dependencies: ["l4lb", "Addresses", "Agent", "API", "Balancer", "BPF", "Netlink", argumentParser],
            swiftSettings: strict),
        .testTarget(
            name: "DataplaneTests", dependencies: ["Addresses", "Agent", "Balancer", "BPF", "CDataplane"],
            swiftSettings: strict),
        .testTarget(name: "EndToEndTests", swiftSettings: strict),
        .testTarget(name: "NetlinkTests", dependencies: ["Netlink"], swiftSettings: strict),
        .testTarget(name: "TerminalTests", dependencies: ["Terminal"], swiftSettings: strict),
    ],
    cLanguageStandard: .c2x
)
