"""Attacks on a real nginx by real tools, kept as capture, as access log, or as both."""
from lib import case, servers
from lib.lab import SERVICE
from lib.scene import Scene, client_address

OWN = ("python3", servers.CLIENTS / "http_attack.py", "--style")
CLEAR, SECURE = f"http://{SERVICE}", f"https://{SERVICE}"


def own(style, *options, tls=False, seconds=5):
    return (*OWN, style, "--seconds", seconds, *(("--tls", "--port", "443") if tls else ()), *options)


# Name: command, seconds, causes, what is kept (pcap, log), capture words, held.
ATTACKS = {
    "wrk": (("wrk", "-t1", "-c40", "-d4s", CLEAR + "/"), 5, "http-flood,expensive-endpoint", "pcap log", "snap128", False),
    "wrk-tls": (("wrk", "-t1", "-c60", "-d4s", SECURE + "/page3.html"), 5, "http-flood,tls-flood", "pcap log", "snap256 tls", True),
    "ab": (("ab", "-q", "-n", "6000", "-c", "30", CLEAR + "/index.html"), 6, "http-flood,connection-flood", "pcap log", "", False),
    "ab-keepalive": (("ab", "-q", "-k", "-n", "9000", "-c", "20", CLEAR + "/page1.html"), 6, "http-flood", "pcap log", "snap200 in", True),
    "siege": (("siege", "-b", "-c", "25", "-t", "4S", CLEAR + "/page2.html"), 6, "http-flood,connection-flood", "pcap log", "", False),
    "hey-tls": (("hey", "-z", "4s", "-c", "30", "-q", "30", SECURE + "/"), 6, "http-flood", "pcap log", "tls", True),
    "h2load": (("h2load", "-D", "4", "-c", "10", "-m", "10", "--rps", "80", SECURE + "/"), 6, "http-flood,http2-abuse,tls-flood", "pcap log", "tls snap256", False),
    "hulk": (own("hulk", "--workers", 40, "--rate", 300), 6, "cache-busting,http-flood", "pcap log", "", False),
    "hulk-tls": (own("hulk", "--workers", 40, "--rate", 200, tls=True), 6, "http-flood,tls-flood,connection-flood", "pcap log", "tls", True),
    "hulk-alone": (own("hulk", "--workers", 60), 6, "cache-busting,http-flood", "pcap log", "alone", True),
    "hulk-many": (own("hulk", "--workers", 80, "--sources", 600, "--rate", 300), 6, "cache-busting,http-flood", "pcap log", "ng", False),
    "goldeneye": (own("goldeneye", "--workers", 30, "--sources", 3, "--rate", 250), 6, "cache-busting,http-flood", "pcap log", "", True),
    "goldeneye-alone": (own("goldeneye", "--workers", 30, "--rate", 250), 6, "cache-busting,http-flood", "pcap log", "alone", False),
    "loic": (own("loic", "--workers", 40, "--sources", 20, "--rate", 400), 6, "http-flood,connection-flood", "pcap log", "", True),
    "loic-alone": (own("loic", "--workers", 40, "--rate", 400), 6, "http-flood,connection-flood", "pcap log", "alone gz", False),
    "botnet": (own("browserlike", "--workers", 120, "--sources", 4000, "--rate", 250), 6, "http-flood", "pcap log", "", False),
    "botnet-tls": (own("browserlike", "--workers", 120, "--sources", 3000, "--rate", 180, tls=True), 6, "http-flood,tls-flood", "pcap log", "tls", True),
    "botnet-search": (own("browserlike", "--workers", 60, "--sources", 400, "--rate", 60, "--path", "/app/search?q=%25a%25"), 6,
                      "expensive-endpoint,http-flood", "pcap log", "", True),
    "xmlrpc": (own("xmlrpc", "--workers", 20, "--sources", 5, "--rate", 80), 6, "http-flood,expensive-endpoint", "pcap log", "", False),
    "slowloris": (own("slow-headers", "--workers", 300, seconds=12), 13, "slow-http", "pcap", "", False),
    "slowloris-alone": (own("slow-headers", "--workers", 150, seconds=14), 15, "slow-http", "pcap", "alone", False),
    "slowloris-many": (own("slow-headers", "--workers", 400, "--sources", 80, seconds=12), 13, "slow-http", "pcap", "ng", True),
    "slowhttptest-headers": (("slowhttptest", "-c", "300", "-H", "-i", "3", "-r", "100", "-l", "12", "-u", CLEAR + "/", "-x", "24"), 14, "slow-http", "pcap", "", True),
    "slowhttptest-body": (("slowhttptest", "-c", "250", "-B", "-i", "2", "-r", "100", "-l", "12", "-s", "8192", "-u", CLEAR + "/app/x", "-x", "10"), 14, "slow-http", "pcap", "", False),
    "slowhttptest-read": (("slowhttptest", "-c", "200", "-X", "-r", "100", "-w", "10", "-y", "20", "-n", "3", "-z", "32", "-l", "12", "-u", CLEAR + "/large.bin"), 14,
                          "slow-http", "pcap", "", True),
    "rudy": (own("slow-body", "--workers", 200, seconds=12), 13, "slow-http", "pcap", "", True),
    "idle-connections": (own("idle", "--workers", 800, "--sources", 30, "--rate", 300, seconds=7), 8, "connection-flood,slow-http", "pcap", "", False),
    "connect-close": (own("connect", "--workers", 80, "--sources", 10, "--rate", 900), 6, "connection-flood", "pcap", "", False),
    "connect-many": (own("connect", "--workers", 80, "--sources", 3000, "--rate", 700), 6, "connection-flood", "pcap", "alone", True),
    "handshakes": (own("handshake", "--workers", 60, "--sources", 10, "--rate", 250, tls=True), 6, "tls-flood,connection-flood", "pcap", "tls", False),
    "handshakes-many": (own("handshake", "--workers", 80, "--sources", 2000, "--rate", 220, tls=True), 6, "tls-flood,connection-flood", "pcap", "alone", True),
    "rapid-reset": (own("rapid-reset", "--workers", 10, tls=True), 6, "http2-abuse,http-flood,tls-flood", "pcap log", "tls", False),
    "rapid-reset-log": (own("rapid-reset", "--workers", 25, "--sources", 20, tls=True), 6, "http2-abuse,http-flood", "log", "tls", True),
    "continuation": (own("continuation", "--workers", 6, tls=True), 6, "http2-abuse,tls-flood,connection-flood", "pcap", "tls snap256", True),
}


def build(work, command, seconds, kept, how, form):
    def prepare(scene):
        servers.app(scene.lab, plan="0:15:0:200", workers=24)
        servers.nginx(scene.lab, scene.tmp, form=form)
    alone = "alone" in how
    with Scene(work, how, rate=5, prepare=prepare, visitor_options=("--app", 0.2)) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.quiet(0.3 if alone else 8)
        scene.attack(*command, seconds=seconds)
        scene.quiet(0.3 if alone else 3)
        if "log" in kept:
            scene.keep_log(scene.tmp / "access.log", "access.log")
    if kept == "log":
        return ["access.log"]
    return [name for name in scene.files if kept != "pcap" or name != "access.log"]


def register():
    """Where both are kept, the log is a case of its own; a third of them is scored together."""
    for i, (name, (command, seconds, causes, kept, how, held)) in enumerate(ATTACKS.items()):
        form = ("combined", "timed", "main")[i % 3]
        kinds = [kept] if kept != "pcap log" else (["pcap", "log"] if i % 3 else ["pcap", "pcap log"])
        for kind in kinds:
            suffix = {"pcap": "", "log": "-as-log", "pcap log": "-both"}[kind] if len(kinds) > 1 else ""

            def make(work, command=command, seconds=seconds, kind=kind, how=how, form=form):
                return build(work, command, seconds, kind, how, form)
            told = causes
            if kind != "pcap":
                told = ",".join(c for c in causes.split(",") if c not in ("tls-flood", "connection-flood"))
                if "hulk" in name and "cache-busting" not in told:
                    told = "cache-busting," + told
            case.add(f"http-{name}{suffix}", "attack", told, make, note=f"{command[0]} {command[3] if command[0] == 'python3' else ''}, {kind}, {how or 'both ways'}", held=held)


register()
