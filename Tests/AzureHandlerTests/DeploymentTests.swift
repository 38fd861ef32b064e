import API
import Foundation
import Testing

@testable import AzureHandler

@Suite("What the settings want")
struct DeploymentTests {
    private static let services =
        #""services":[{"frontend":"40.1.1.1:80","id":1,"backends":[{"backend":"20.1.1.10:80"}]}]"#
    private static let tls = ProtectedSettings.TLS(certificate: "C\n", key: "K\n", clientCA: "A\n")

    private func deployment(
        _ text: String?, tls: ProtectedSettings.TLS? = nil, device: String? = "eth0"
    ) throws -> Deployment {
        var secrets = ProtectedSettings()
        secrets.tls = tls
        return try Deployment(text.map { Data($0.utf8) }, secrets, device: device)
    }

    @Test("Without settings the agent runs on the default route's device, with no services of its file")
    func nothing() throws {
        let deployment = try deployment(nil)
        #expect(deployment.services == 0 && deployment.flags.isEmpty && deployment.tls == nil)
        #expect(deployment.options.devices == ["eth0"])
        let config = try Config.read(deployment.config)
        #expect(config.version == 1 && config.agent?.devices == ["eth0"])
    }

    @Test(
        "Settings of the extension's own alone are none of the agent's",
        arguments: ["{}", #"{"api":{"listen":":9870"}}"#])
    func own(text: String) throws {
        #expect(try deployment(text, tls: Self.tls).config == deployment(nil).config)
    }

    @Test("The agent's file holds the settings as they are, without what is the extension's own")
    func file() throws {
        let deployment = try deployment(
            #"{"version":1,"mode":"dsr","agent":{"devices":["eth1"],"flow_table_size":65536},\#(Self.services),"api":{"listen":"127.0.0.1:9870"}}"#
        )
        let object = try #require(try JSONSerialization.jsonObject(with: deployment.config) as? [String: Any])
        #expect(object.keys.sorted() == ["agent", "mode", "services", "version"])
        #expect(deployment.options.devices == ["eth1"] && deployment.options.flowTableSize == 65536)
        #expect(deployment.services == 1 && deployment.flags == ["--listen=127.0.0.1:9870"])
    }

    @Test("With certificates the API is behind TLS, on loopback too; without --listen they are not used")
    func certificates() throws {
        let settings = #"{"version":1,\#(Self.services),"api":{"listen":":9870"}}"#
        let deployment = try deployment(settings, tls: Self.tls)
        #expect(
            Convergence.flags(deployment) == [
                "--listen=:9870", "--tls-cert=/etc/l4lb/tls/cert.pem", "--tls-key=/etc/l4lb/tls/key.pem",
                "--tls-client-ca=/etc/l4lb/tls/ca.pem",
            ])
        let unused = try self.deployment(#"{"version":1,\#(Self.services)}"#, tls: Self.tls)
        #expect(Convergence.flags(unused).isEmpty && unused.tls == nil)
    }

    @Test(
        "A mistake is told with its path in the settings",
        arguments: [
            (#"{"version":2,\#(services)}"#, "publicSettings.version: 2 is not 1"),
            (#"{\#(services)}"#, "publicSettings.version"), (#"{"version":1}"#, "publicSettings.services"),
            (
                #"{"version":1,"services":[{"frontend":"40.1.1.1:80","backends":[{"backend":"20.1.1"}]}]}"#,
                "publicSettings.services[0].backends[0].backend: 20.1.1 is not"
            ),
            (#"{"version":1,"services":[],"mode":"nat"}"#, "publicSettings.mode"),
            (#"{"version":1,"services":[],"moed":"snat"}"#, "publicSettings.moed"),
            (#"{"version":1,"services":[],"agent":{"device":"eth0"}}"#, "publicSettings.agent.device"),
            (#"{"version":1,"services":[],"agent":7}"#, "publicSettings.agent"),
            (#"{"version":1,"services":[],"defaults":{"id":7}}"#, "publicSettings.defaults.id"),
            (#"{"version":1,"services":[],"api":7}"#, "publicSettings.api is not an object"),
            (#"{"version":1,"services":[],"api":{"port":7}}"#, "publicSettings.api.port is not known"),
            (
                #"{"version":1,"services":[],"api":{"listen":"localhost"}}"#,
                "publicSettings.api.listen: localhost is not"
            ),
            (
                #"{"version":1,"services":[],"api":{"listen":"10.0.0.4:9870"}}"#,
                "publicSettings.api.listen: 10.0.0.4:9870 is not loopback"
            ),
        ] as [(String, String)])
    func mistakes(_ text: String, _ words: String) throws {
        let error = try #require(throws: HandlerError.self) { _ = try deployment(text) }
        #expect(error.code == .settings)
        #expect(error.description.hasPrefix(words), "\(error)")
    }

    @Test("Where there is no default route, the devices have to be named")
    func noDevice() throws {
        let error = try #require(throws: HandlerError.self) { _ = try deployment(nil, device: nil) }
        #expect(error.description.hasPrefix("publicSettings.agent.devices is missing"))
    }

    @Test("What the agent says of its file is told with the path of the settings")
    func agentWords() {
        #expect(
            Deployment.words(ofAgent: "error: /etc/l4lb/l4lb.json:3:5: agent.flow_table_size: \"7\" is not a number")
                == "publicSettings.agent.flow_table_size: \"7\" is not a number")
        #expect(
            Deployment.words(ofAgent: "l4lb.service does not come up: error: --snat-addresses: 20.1.1.77 is not ours")
                == "publicSettings.agent.snat_addresses: 20.1.1.77 is not ours")
        for line in ["error: --tls-key: no key", "publicSettings.agent.devices: none", "no agent answers"] {
            #expect(Deployment.words(ofAgent: line) == line)
        }
    }

    @Test("The default route's device is the one with the least metric, of IPv4 and of IPv6")
    func defaultRoute() {
        let table = """
            Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
            eth1\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0
            eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0
            eth2\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
            """
        #expect(DefaultRoute.device(table) == "eth0")
        #expect(DefaultRoute.device("Iface\tDestination\n") == nil)
        let zeros = String(repeating: "0", count: 32)
        let table6 = """
            fe800000000000000000000000000000 40 \(zeros) 00 \(zeros) 00000100 00000001 00000000 00000001     eth3
            \(zeros) 00 \(zeros) 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1
            \(zeros) 00 \(zeros) 00 \(zeros) ffffffff 00000001 00000000 00200200       lo
            """
        #expect(DefaultRoute.device6(table6) == "eth1")
        #expect(DefaultRoute.device6("") == nil)
    }
}
