"""The same attacks and visitors with clients as far away as on the internet: delays, jitter, some loss."""
from lib import case, servers
from lib.lab import SERVICE
from lib.scene import Scene, client_address

CLEAR, SECURE = f"http://{SERVICE}", f"https://{SERVICE}"


def own(style, *options):
    return ("python3", servers.CLIENTS / "http_attack.py", "--style", style, *options)


# Name: class, causes, command (None: visitors only), seconds, capture words, visits a second, held.
FAR = {
    "visitors": ("normal", "normal", None, 14, "wan", 6, False),
    "visitors-lossy": ("normal", "normal", None, 14, "lossy tls", 5, True),
    "visitors-busy": ("normal", "normal", None, 12, "wan tls gz", 14, False),
    "visitors-in": ("normal", "normal", None, 12, "wan in snap96", 8, True),
    "hulk": ("attack", "cache-busting,http-flood", own("hulk", "--workers", 150, "--sources", 8, "--rate", 250), 6, "wan", 5, False),
    "hulk-alone": ("attack", "cache-busting,http-flood", own("hulk", "--workers", 150, "--rate", 300), 6, "wan alone", 5, True),
    "goldeneye": ("attack", "cache-busting,http-flood", own("goldeneye", "--workers", 80, "--sources", 2, "--rate", 250), 6, "wan ng", 5, True),
    "botnet": ("attack", "http-flood", own("browserlike", "--workers", 250, "--sources", 3000, "--rate", 250), 6, "wan", 5, False),
    "botnet-tls": ("attack", "http-flood,tls-flood", own("browserlike", "--workers", 200, "--sources", 2000, "--rate", 150, "--tls", "--port", 443), 6, "wan tls", 4, True),
    "wrk": ("attack", "http-flood", ("wrk", "-t1", "-c60", "-d5s", CLEAR + "/"), 6, "wan snap128", 5, True),
    "ab": ("attack", "http-flood,connection-flood", ("ab", "-q", "-n", "4000", "-c", "60", CLEAR + "/page2.html"), 6, "wan", 5, False),
    "slowloris": ("attack", "slow-http", own("slow-headers", "--workers", 300, "--seconds", 12), 13, "wan", 5, False),
    "slowloris-patient": ("attack", "slow-http", ("slowhttptest", "-c", "160", "-H", "-i", "10", "-r", "20", "-l", "60", "-u", CLEAR + "/", "-x", "20"), 62, "wan alone", 5, False),
    "slowloris-patient-visited": ("attack", "slow-http", ("slowhttptest", "-c", "120", "-H", "-i", "15", "-r", "15", "-l", "60", "-u", CLEAR + "/", "-x", "20"), 62, "wan", 2, True),
    "slow-body": ("attack", "slow-http", own("slow-body", "--workers", 200, "--sources", 30, "--seconds", 12), 13, "lossy", 5, True),
    "slow-read": ("attack", "slow-http", ("slowhttptest", "-c", "200", "-X", "-r", "80", "-w", "8", "-y", "16", "-n", "4", "-z", "16", "-l", "12", "-u", CLEAR + "/large.bin"),
                  14, "wan", 5, False),
    "rapid-reset": ("attack", "http2-abuse,http-flood,tls-flood", own("rapid-reset", "--workers", 8, "--tls", "--port", 443), 6, "wan tls", 4, True),
    "handshakes": ("attack", "tls-flood,connection-flood", own("handshake", "--workers", 100, "--sources", 20, "--rate", 200, "--tls", "--port", 443), 6, "wan tls", 4, False),
    "syn": ("attack", "syn-flood", ("hping3", "-q", SERVICE, "-S", "-p", "443", "--rand-source", "-i", "u800"), 4, "wan", 6, False),
    "nmap": ("abuse", "scan", ("nmap", "-n", "-Pn", "-sS", "-p1-1500", "--max-rate", "300", SERVICE), 8, "wan", 5, False),
    "gobuster": ("abuse", "scan", ("gobuster", "dir", "-q", "-t", "8", "-u", CLEAR, "-w", "/usr/share/dirb/wordlists/common.txt"), 9, "wan", 4, True),
    "crowd": ("demand,normal", "flash-crowd,normal", ("python3", servers.CLIENTS / "visitors.py", "--entry", "/page7.html", "--referrer",
                                                      "https://news.ycombinator.com/", "--rate", 35, "--seconds", 12, "--ramp"), 13, "wan", 4, False),
    "crowd-tls": ("demand,normal", "flash-crowd,normal", ("python3", servers.CLIENTS / "visitors.py", "--tls", "--port", 443, "--rate", 25,
                                                          "--seconds", 12), 13, "wan tls", 4, True),
}


def build(work, command, seconds, how, rate):
    def prepare(scene):
        servers.app(scene.lab)
        servers.nginx(scene.lab, scene.tmp)
    alone = "alone" in how
    with Scene(work, how, rate=rate, prepare=prepare, visitor_options=("--app", 0.2)) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.quiet(0.3 if alone else 7)
        if command:
            scene.attack(*command, seconds=seconds)
        else:
            scene.quiet(seconds)
        scene.quiet(0.5 if alone else 3)
    return scene.files


for name, (label, causes, command, seconds, how, rate, held) in FAR.items():
    case.add(f"far-{name}", label, causes, lambda work, c=command, s=seconds, h=how, r=rate: build(work, c, s, h, r), held=held,
             note=f"{command[0] if command else 'visitors'}, clients with distances, {how}")
