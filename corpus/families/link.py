"""Trouble of the network between clients and a healthy server, and full links, as captures."""
from lib import case, servers
from lib.scene import Scene

LOSS = "numgen random mod 100 < {share} drop"
RESET = "tcp dport 80 numgen random mod 100 < {share} reject with tcp reset"


def trouble(work, rules, how, seconds=9, cable=None):
    with Scene(work, how, rate=8) as scene:
        scene.quiet(6)
        if cable:
            scene.lab.slow_cable(cable)
        else:
            scene.lab.filter(rules)
        scene.quiet(seconds)
        if not cable:
            scene.lab.unfilter()
        scene.quiet(3)
    return scene.files


TROUBLES = {
    "loss-20": ([LOSS.format(share=20)], "", None, False), "loss-8": ([LOSS.format(share=8)], "", None, True),
    "loss-40-snap": ([LOSS.format(share=40)], "snap96", None, True), "blackout": (["drop"], "", None, False),
    "resets": ([RESET.format(share=25)], "", None, False), "resets-tls": (["tcp dport 443 numgen random mod 100 < 30 reject with tcp reset"], "tls", None, True),
    "region": (["ip saddr 80.0.0.0/5 numgen random mod 100 < 70 drop"], "", None, False),
    "thin-link": ([], "", "3mbit", True), "thin-link-alone": ([], "ng", "2mbit", False),
}
for name, (rules, how, cable, held) in TROUBLES.items():
    case.add(f"fault-link-{name}", "fault", "network-fault", lambda work, r=rules, h=how, c=cable: trouble(work, r, h, cable=c),
             note="the server is healthy, the way to it is not", held=held)


def app_trouble(work, plan, how="", workers=16, log=False):
    def prepare(scene):
        servers.app(scene.lab, plan=plan, workers=workers)
        servers.nginx(scene.lab, scene.tmp, form="timed", read_timeout="3s")
    with Scene(work, how, rate=7, prepare=prepare, visitor_options=("--app", 0.7)) as scene:
        scene.quiet(24)
        if log:
            scene.keep_log(scene.tmp / "access.log", "access.log")
    return ["access.log"] if log else scene.files


BACKENDS = {
    "slow": ("0:20:0:200,10:900:0:200", "slow-backend"), "hangs": ("0:20:0:200,10:20000:0:200", "slow-backend"),
    "errors": ("0:20:0:200,10:20:0.8:500", "release-fault,slow-backend,misconfiguration"), "third": ("0:20:0:200,10:20:0.35:503", "release-fault,slow-backend"),
}
for i, (name, (plan, causes)) in enumerate(BACKENDS.items()):
    for log in (True, False):
        case.add(f"fault-live-{name}-{'log' if log else 'pcap'}", "fault", causes, lambda work, p=plan, l=log: app_trouble(work, p, log=l),
                 note="a real backend behind nginx", held=(i + log) % 2 == 0)
