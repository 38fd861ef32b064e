import Foundation
import Testing

@testable import AzureHandler

@Suite("From what a VM has to what the settings want")
struct ConvergenceTests {
    private let layout = Layout(root: "/vm")
    private static let settings = #"{"version":1,"agent":{"devices":["eth0"]},"services":[]}"#

    private func deployment(_ text: String = settings, _ tls: ProtectedSettings.TLS? = nil) throws -> Deployment {
        var secrets = ProtectedSettings()
        secrets.tls = tls
        return try Deployment(Data(text.utf8), secrets, device: nil)
    }

    /// The VM after `deployment`, with the unit's text `unit`.
    private func files(_ deployment: Deployment, unit: String = "unit") -> [String: Data] {
        let convergence = Convergence(deployment, unit: unit, layout: layout, isActive: false) { _ in nil }
        return Dictionary(uniqueKeysWithValues: convergence.files.map { ($0.path, $0.bytes ?? Data()) })
    }

    private func next(
        _ deployment: Deployment, unit: String = "unit", isActive: Bool = true, _ found: [String: Data]
    ) -> Convergence {
        Convergence(deployment, unit: unit, layout: layout, isActive: isActive) { found[$0] }
    }

    @Test("On a bare VM all is written and the agent is started")
    func bare() throws {
        let convergence = next(try deployment(), isActive: false, [:])
        #expect(convergence.action == .start && convergence.reloadsUnits)
        #expect(convergence.files.map(\.path) == ["/vm/etc/l4lb/l4lb.json", "/vm/etc/systemd/system/l4lb.service"])
    }

    @Test("The same once more writes nothing, and the agent is still asked to be so")
    func again() throws {
        let deployment = try deployment()
        let convergence = next(deployment, files(deployment))
        #expect(convergence.files.isEmpty && !convergence.reloadsUnits && convergence.action == .apply)
        #expect(next(deployment, isActive: false, files(deployment)).action == .start)
    }

    @Test(
        "Services and mode are put into the agent that runs; its options, flags and certificates need another start",
        arguments: [
            (
                #"{"version":1,"agent":{"devices":["eth0"]},"mode":"dsr","services":[]}"#, "unit",
                Convergence.Action.apply
            ),
            (
                #"{"version":1,"agent":{"devices":["eth0"]},"services":[{"frontend":"40.1.1.1:80","backends":[{"backend":"20.1.1.1:80"}]}]}"#,
                "unit",
                .apply
            ),
            (#"{"version":1,"agent":{"devices":["eth1"]},"services":[]}"#, "unit", .restart),
            (#"{"version":1,"agent":{"devices":["eth0"],"flow_table_size":2048},"services":[]}"#, "unit", .restart),
            (settings, "another", .restart),
        ] as [(String, String, Convergence.Action)])
    func changes(_ text: String, _ unit: String, _ action: Convergence.Action) throws {
        let before = files(try deployment())
        let convergence = next(try deployment(text), unit: unit, before)
        #expect(convergence.action == action)
        #expect(convergence.reloadsUnits == (unit != "unit"))
    }

    @Test("Certificates are for root alone, a new one needs another start, and they go when they are not wanted")
    func certificates() throws {
        let listening = #"{"version":1,"agent":{"devices":["eth0"]},"services":[],"api":{"listen":"127.0.0.1:1"}}"#
        let first = try deployment(listening, .init(certificate: "C", key: "K", clientCA: "A"))
        let wanted = next(first, files(try deployment())).files.filter { $0.path.contains("/tls/") }
        #expect(wanted.map(\.path) == ["cert", "key", "ca"].map { "/vm/etc/l4lb/tls/\($0).pem" })
        #expect(wanted.allSatisfy { $0.mode == 0o600 })
        let second = next(try deployment(listening, .init(certificate: "C2", key: "K", clientCA: "A")), files(first))
        #expect(second.files.map(\.path) == ["/vm/etc/l4lb/tls/cert.pem"] && second.action == .restart)
        let none = next(try deployment(), files(first))
        #expect(none.files.count == 3 && none.files.allSatisfy { $0.bytes == nil } && none.action == .restart)
    }

    @Test("A damaged file of the agent is written anew")
    func damaged() throws {
        let deployment = try deployment()
        var found = files(deployment)
        found[layout.config] = Data("{".utf8)
        let convergence = next(deployment, found)
        #expect(convergence.files.map(\.path) == [layout.config] && convergence.action == .restart)
    }

    @Test("A unit's flags are found again in it, so that another version's unit has them too")
    func unitFlags() throws {
        let template = try UnitTemplate(
            "[Service]\nExecStart=/opt/l4lb/current/bin/l4lb agent --no-repl --config=/etc/l4lb/l4lb.json@FLAGS@\n")
        for flags in [[], ["--listen=:1"], ["--listen=:1", "--tls-cert=/c"]] {
            let unit = template.unit(flags: flags)
            #expect(!unit.contains("@"))
            #expect(UnitTemplate.flags(of: unit) == flags)
        }
        #expect(UnitTemplate.flags(of: "[Service]\nExecStart=/usr/bin/other --x\n") == [])
        #expect(throws: HandlerError.self) { try UnitTemplate("[Service]\nExecStart=/usr/bin/l4lb\n") }
    }

    @Test("What the watch reports for is the package's folder")
    func watchUnit() {
        let unit = UnitTemplate.watchUnit(package: "/var/lib/waagent/A.L4LB-1.0.0", layout: Layout())
        #expect(
            unit.contains(
                "\nExecStart=/opt/l4lb/handler/l4lb-azure-handler watch --package=/var/lib/waagent/A.L4LB-1.0.0\n"))
    }
}
