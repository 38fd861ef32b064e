// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
    name: "l4lb",
    targets: [
        // C: the ABI with the XDP program.
        .systemLibrary(name: "CDataplane", path: "bpf"),

        // Pure: no system calls.
        .target(name: "Addresses", swiftSettings: strict),
        .target(name: "Balancer", dependencies: ["Addresses", "CDataplane"], swiftSettings: strict),

        .testTarget(name: "AddressesTests", dependencies: ["Addresses"], swiftSettings: strict),
        .testTarget(
            name: "BalancerTests", dependencies: ["Addresses", "Balancer", "CDataplane"], swiftSettings: strict),
    ],
    cLanguageStandard: .c2x
)
