#!/usr/bin/python3
"""The real agent of Azure installs, configures, updates and removes the extension while clients ask. Run by
azure-traffic.sh in namespaces of its own; the harness's folder is in L4LB_AZURE_HARNESS."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["L4LB_AZURE_HARNESS"])
import harness  # noqa: E402

FRONTEND = "40.1.1.1:80"
# Says a version as the product does, and does not come up.
BROKEN = '#!/bin/sh\nif [ "$1" = version ]; then echo l4lb; exit; fi\necho "error: made to fail" >&2\nexit 1\n'


class Clients:
    """azure-traffic.sh, which has the hosts around the VM; a line for each thing that it is to do."""

    def __init__(self, vm):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "azure-traffic.sh")
        self.process = subprocess.Popen(
            ["bash", script, "hosts", str(vm)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.read()

    def read(self):
        line = self.process.stdout.readline().strip()
        if not line.startswith("ok"):
            raise RuntimeError(line or "the hosts around the VM could not be made")
        return line[3:]

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()


class UnderTraffic(harness.Harness):
    def settings(self, *backends):
        return {"version": 1, "agent": {"devices": ["eth1"]},
                "services": [{"frontend": FRONTEND, "backends": [{"backend": b} for b in backends]}]}

    def passes(self, what):
        self.note("clients: " + self.clients.ask("passes " + what))

    def move(self, title, version, seq, public, commands, state="enabled", **expected):
        """A goal state, the commands that follow from it, what is reported, and that no request has failed."""
        self.step(title)
        doc = self.goal([self.plugin(self.name, version, state=state, seq=seq, public=public)])
        self.expect_commands(self.name, commands)
        if expected:
            self.expect(doc, self.name, **expected)
        if self.clients:
            self.passes(title)
        self.done(self.name, doc)

    def lifecycle(self):
        o, box = self.o, self.box
        self.name, one = harness.name_version(o.zip_v1, None, None)
        _, two = harness.name_version(o.zip_v2, None, None)
        broken = ".".join(one.split(".")[:2] + ["7"])
        before = box.files()
        package = harness.derive(o.zip_v2, box.run + "/mock/broken.zip", {},
                                 {"bin/l4lb": BROKEN, "VERSION": broken + "\n"})
        self.fabric.packages[self.name] = {one: o.zip_v1, two: o.zip_v2, broken: package}
        good, other = self.settings("20.1.1.10:80", "20.1.1.20:80"), self.settings("20.1.1.10:80", "20.1.1.30:80")
        ready = {"status": "Ready", "ext": "success", "ext_code": 0}

        clients, self.clients = Clients(box.holder.pid), None
        self.move("installed", one, 0, good, ["install(%s)" % one, "enable(%s)" % one], **ready)
        self.clients = clients
        clients.ask("start http://" + FRONTEND)
        self.move("the same settings again", one, 0, good, ["enable(%s)" % one], **ready)
        self.move("another backend", one, 1, other, ["enable(%s)" % one], **ready)
        self.move("a wrong backend", one, 2, self.settings("20.1.1.300:80"), ["enable(%s)" % one],
                  ext="error", ext_code=53, ext_message=r"publicSettings\.services\[0\]\.backends\[0\]\.backend")
        self.move("a version that does not come up", broken, 3, other,
                  ["disable(%s)" % one, "update(%s)" % broken], status="NotReady", code=1008, message="code: 58")
        self.move("the old version again", one, 4, other, ["enable(%s)" % one], **ready)
        self.move("an update", two, 5, other,
                  ["disable(%s)" % one, "update(%s)" % two, "uninstall(%s)" % one, "enable(%s)" % two], **ready)
        self.move("settings for the new version", two, 6, good, ["enable(%s)" % two], **ready)
        clients.ask("stop")
        self.clients = None

        self.move("removed", two, 6, good, ["disable(%s)" % two, "uninstall(%s)" % two], state="uninstall")
        self.step("nothing is left")
        self.leftovers(before)
        links = harness.sb.sh(*box.vm, "ip", "-d", "link", "show", "eth1")
        self.check("prog/xdp" not in links, "no program is left on eth1")
        self.check(not os.path.exists(box.path("/sys/fs/bpf/l4lb")), "no pin is left")
        self.done()


if __name__ == "__main__":
    sys.exit(UnderTraffic(harness.options()).main())
