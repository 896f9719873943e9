"""Captures without an attack, of real programs: browsers, downloads, mail, backups, calls, tunnels, monitors."""
import pathlib

from lib import case, servers
from lib.lab import SERVICE, settle
from lib.scene import Scene, client_address

CLEAR, SECURE = f"http://{SERVICE}", f"https://{SERVICE}"
CHROME = ("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
          "--disable-background-networking", "--no-first-run", "--virtual-time-budget=3000")


def scene_case(name, act, how="alone", label="normal", causes="normal", prepare=None, held=False, note=""):
    def build(work):
        with Scene(work, how, prepare=prepare) as scene:
            scene.lab.client_source(client_address(work.rng))
            act(scene)
        return scene.files
    case.add(f"calm-{name}", label, causes, build, note=note, held=held)


def browse(base, pages):
    def act(scene):
        for page in pages:
            profile = scene.tmp / f"profile{page}"
            scene.attack(*CHROME, f"--user-data-dir={profile}", "--dump-dom", f"{base}/page{page}.html", seconds=12)
    return act


def many_browsers(base, count):
    """Several browsers at once: a burst of connections and handshakes."""
    def act(scene):
        scene.together([(*CHROME, f"--user-data-dir={scene.tmp}/p{i}", "--dump-dom", f"{base}/page{i + 1}.html") for i in range(count)], 14)
    return act


scene_case("browser", browse(CLEAR, (1, 2, 3)), note="Chromium loads three pages")
scene_case("browser-tls", browse(SECURE, (1, 4)), held=True, note="Chromium loads two pages over TLS and HTTP/2")
scene_case("browsers-burst", many_browsers(CLEAR, 4), note="four browsers at once")
scene_case("browsers-burst-tls", many_browsers(SECURE, 4), held=True, how="alone snap128", note="four browsers at once over TLS")
scene_case("visitors", lambda s: s.quiet(15), how="", note="four visits a second")
scene_case("visitors-tls", lambda s: s.quiet(15), how="tls", held=True, note="four visits a second, TLS")
scene_case("visitors-in", lambda s: s.quiet(15), how="in snap96", note="only what comes in")
scene_case("visitors-out", lambda s: s.quiet(15), how="out", held=True, note="only what goes out")
scene_case("visitors-many", lambda s: (s.visitors(rate=25), s.quiet(12)), how="ng gz", held=True, note="a busy site")


def crowd(tls, entry, rate):
    def act(scene):
        scene.quiet(6)
        scene.visitors("--entry", entry, "--referrer", "https://news.ycombinator.com/", "--ramp", rate=rate, seconds=14)
        scene.quiet(15)
    return act


scene_case("crowd", crowd(False, "/page7.html", 45), how="", label="demand,normal", causes="flash-crowd,normal", note="a link brings a crowd of whole visits")
scene_case("crowd-tls", crowd(True, "/", 30), how="tls", label="demand,normal", causes="flash-crowd,normal", held=True, note="a crowd over TLS")
scene_case("one-source-office", lambda s: (s.visitors("--one-source", "213.5.5.5", rate=12), s.quiet(12)), how="alone", label="normal,demand",
           causes="normal,flash-crowd,client-fault", note="many people behind one address")


def transfer(*words, seconds=7):
    def act(scene):
        scene.lab.srv("iperf3", "-s", "-B", SERVICE)
        settle(0.5)
        scene.lab.slow_cable("60mbit")
        scene.attack("iperf3", "-c", SERVICE, "-t", "5", *words, seconds=seconds)
    return act


def nothing(scene):
    """No server but what the case starts itself."""


scene_case("download", transfer("-R"), how="alone snap96", prepare=nothing, note="one fast download")
scene_case("upload", transfer("-b", "30M"), how="alone snap128", prepare=nothing, held=True, note="one upload")
scene_case("parallel-download", transfer("-R", "-P", "8"), how="alone snap96", prepare=nothing, held=True, note="eight streams")
scene_case("udp-stream", transfer("-u", "-b", "8M", "-l", "1200"), how="alone", prepare=nothing, note="a steady UDP stream of one client")
scene_case("udp-stream-down", transfer("-u", "-b", "12M", "-l", "1316", "-R"), how="alone snap200", prepare=nothing, held=True, note="a steady UDP stream, as IPTV")


def large_files(scene):
    scene.together([("curl", "-s", "-o", "/dev/null", "--limit-rate", "1500k", f"{CLEAR}/large.bin")] * 5, 5)


scene_case("large-files", large_files, how="alone snap96", note="five slow downloads over HTTP")


def rsync(scene):
    (scene.tmp / "rsyncd.conf").write_text(f"uid=root\ngid=root\nuse chroot=no\nreverse lookup=no\n[site]\npath={scene.tmp}/site\nread only=yes\n")
    servers.site(scene.tmp / "site", scene.work.rng, 300)
    scene.lab.srv("rsync", "--daemon", "--no-detach", f"--config={scene.tmp}/rsyncd.conf", f"--address={SERVICE}")
    servers.until(scene.lab, 873)
    scene.attack("rsync", "-a", "--bwlimit=2000", f"rsync://{SERVICE}/site/", f"{scene.tmp}/copy/", seconds=8)


scene_case("backup", rsync, how="alone snap96", prepare=nothing, held=True, note="rsync of a site")


def mail(scene):
    """A small SMTP server and many messages of many senders."""
    scene.lab.srv("python3", servers.CLIENTS / "smtp_sink.py", SERVICE)
    servers.until(scene.lab, 25)
    for i in range(40):
        source = client_address(scene.work.rng)
        scene.lab.cli("swaks", "--server", SERVICE, "--local-interface", source, "--from", f"a{i}@example.net", "--to", "b@example.org",
                      "--body", "hello " * scene.work.rng.randrange(10, 900))
        settle(scene.work.rng.expovariate(8))
    settle(2)


scene_case("mail", mail, prepare=nothing, note="forty messages by SMTP")


def calls(scene):
    """sipp registers and calls with RTP echo."""
    scene.lab.srv("sipp", "-sn", "uas", "-i", SERVICE, "-p", "5060", "-nostdin")
    settle(0.5)
    scene.attack("sipp", "-sn", "uac", f"{SERVICE}:5060", "-r", "12", "-d", "1500", "-m", "90", "-nostdin", "-i", "24.8.8.8", seconds=12)


scene_case("calls", calls, prepare=nothing, held=True, note="telephone calls by SIP")


def monitors(scene):
    for i in range(3):
        scene.lab.cli("fping", "-q", "-l", "-p", "1000", "-S", client_address(scene.work.rng), SERVICE)
    for _ in range(10):
        scene.lab.cli("curl", "-s", "-o", "/dev/null", "-A", "Prometheus/2.45", f"{CLEAR}/index.html")
        scene.lab.cli("curl", "-sk", "-o", "/dev/null", "-A", "check_http/v2.3", f"{SECURE}/")
        settle(1)


scene_case("monitors", monitors, note="pings and health checks each second")


def cache_server(scene):
    scene.lab.srv("memcached", "-u", "root", "-l", SERVICE)
    servers.until(scene.lab, 11211)
    words = scene.tmp / "words"
    words.write_text("".join(f"set k{i} 0 0 900\r\n{'v' * 900}\r\nget k{i}\r\n" for i in range(200)) + "quit\r\n")
    for _ in range(6):
        scene.lab.cli("sh", "-c", f"socat -t 2 - TCP:{SERVICE}:11211 < {words}")
        settle(0.7)


scene_case("memcached", cache_server, prepare=nothing, note="a cache at work over TCP")


def broker(scene):
    (scene.tmp / "m.conf").write_text(f"listener 1883 {SERVICE}\nallow_anonymous true\nuser root\n")
    scene.lab.srv("mosquitto", "-c", scene.tmp / "m.conf")
    servers.until(scene.lab, 1883)
    scene.lab.cli("mosquitto_sub", "-h", SERVICE, "-t", "#")
    for i in range(60):
        scene.lab.cli("mosquitto_pub", "-h", SERVICE, "-A", client_address(scene.work.rng), "-t", f"sensor/{i}", "-m", f"{i * 0.7}")
        settle(0.1)


scene_case("mqtt", broker, prepare=nothing, held=True, note="sensors that report by MQTT")


def tunnel(scene):
    """OpenVPN with a static key, and a download in it."""
    key = scene.tmp / "key"
    from_openvpn = ("openvpn", "--genkey", "secret", str(key))
    scene.attack(*from_openvpn, seconds=5)
    common = ("--dev", "tun", "--secret", str(key), "--cipher", "AES-256-CBC", "--auth", "SHA256", "--verb", "0")
    scene.lab.srv("openvpn", *common, "--local", SERVICE, "--port", "1194", "--ifconfig", "10.9.0.1", "10.9.0.2")
    scene.lab.cli("openvpn", *common, "--remote", SERVICE, "1194", "--nobind", "--ifconfig", "10.9.0.2", "10.9.0.1")
    settle(3)
    scene.lab.srv("iperf3", "-s", "-B", "10.9.0.1")
    settle(0.5)
    scene.attack("iperf3", "-c", "10.9.0.1", "-t", "4", "-b", "12M", "-R", seconds=7)


scene_case("openvpn", tunnel, how="alone snap128", prepare=nothing, note="a download in an OpenVPN tunnel")


def trace(scene):
    scene.together([("mtr", "-n", "-r", "-c", "10", "-i", "0.5", SERVICE), ("mtr", "-n", "-r", "-T", "-P", "443", "-c", "8", SERVICE)], 8)


scene_case("mtr", trace, how="", held=True, note="someone looks for the way")


def sessions(scene):
    """Interactive SSH and a copy over it."""
    key, user = scene.tmp / "host", scene.tmp / "user"
    for path in (key, user):
        scene.attack("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, seconds=5)
    (scene.tmp / "keys").write_text(user.with_suffix(".pub").read_text())
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    (scene.tmp / "sshd_config").write_text(f"Port 22\nListenAddress {SERVICE}\nHostKey {key}\nPidFile {scene.tmp}/s.pid\nUsePAM no\nStrictModes no\n"
                                           f"PermitRootLogin yes\nAuthorizedKeysFile {scene.tmp}/keys\n")
    scene.lab.srv("/usr/sbin/sshd", "-D", "-e", "-f", scene.tmp / "sshd_config")
    servers.until(scene.lab, 22)
    base = ("ssh", "-i", user, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", f"root@{SERVICE}")
    for i in range(6):
        scene.attack(*base, f"for i in 1 2 3 4 5; do date; sleep 0.{i}; done; head -c {i}00000 /dev/urandom", seconds=6)


scene_case("ssh", sessions, prepare=nothing, note="six sessions with a key")
