"""Captures of a few packets, as people take them to look at one thing: all of them normal."""
from lib import case, servers
from lib.lab import SERVICE, settle
from lib.scene import Scene, client_address

CLEAR, SECURE = f"http://{SERVICE}", f"https://{SERVICE}"


def website(scene):
    servers.app(scene.lab)
    servers.nginx(scene.lab, scene.tmp)


def nothing(scene):
    """Only the kernel answers."""


def chat(port):
    """A line protocol by hand."""
    def prepare(scene):
        scene.lab.srv("socat", f"TCP-LISTEN:{port},bind={SERVICE},reuseaddr,fork", "EXEC:cat")
        settle(0.5)
    return prepare


SMALL = {
    "get": (("curl", "-s", "-o", "/dev/null", CLEAR + "/"), website, 3, "alone wan", False),
    "get-tls": (("curl", "-sk", "-o", "/dev/null", SECURE + "/page3.html"), website, 3, "alone wan", True),
    "get-h2": (("h2load", "-n", "3", "-c", "1", SECURE + "/"), website, 3, "alone", True),
    "head": (("curl", "-sI", CLEAR + "/nothing"), website, 3, "alone", False),
    "post": (("curl", "-s", "-o", "/dev/null", "-d", "a=1&b=2", CLEAR + "/app/form"), website, 3, "alone ng", True),
    "ping": (("ping", "-c", "5", "-i", "0.5", SERVICE), nothing, 5, "alone", False),
    "ping-large": (("ping", "-c", "8", "-i", "0.3", "-s", "4000", SERVICE), nothing, 5, "alone wan", True),
    "closed-port": (("curl", "-s", f"http://{SERVICE}:8443/"), nothing, 2, "alone", False),
    "filtered": (("curl", "-s", "-m", "4", f"http://{SERVICE}/"), lambda scene: scene.lab.filter(["drop"]), 5, "alone", True),
    "echo": (("sh", "-c", f"for i in 1 2 3 4 5 6; do echo line $i; sleep 0.4; done | socat - TCP:{SERVICE}:7"), chat(7), 5, "alone wan", False),
    "path": (("mtr", "-n", "-r", "-c", "3", SERVICE), nothing, 6, "alone", True),
    "download": (("curl", "-s", "-o", "/dev/null", CLEAR + "/large.bin"), website, 5, "alone wan snap96", False),
    "refused-loop": (("sh", "-c", f"for i in $(seq 20); do curl -s http://{SERVICE}:9999/; sleep 0.2; done"), nothing, 6, "alone", True),
}


def small(work, command, prepare, seconds, how):
    with Scene(work, how, prepare=prepare) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.attack(*command, seconds=seconds)
        scene.quiet(0.5)
    return scene.files


for name, (command, prepare, seconds, how, held) in SMALL.items():
    label, causes = ("normal,fault,undecided", "normal,network-fault,client-fault,undecided") if name in ("filtered", "refused-loop", "closed-port") else ("normal,undecided", "")
    case.add(f"small-{name}", label, causes, lambda work, c=command, p=prepare, s=seconds, h=how: small(work, c, p, s, h), note=" ".join(str(part) for part in command[:4]), held=held)
