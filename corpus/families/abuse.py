"""Scans, guessing of passwords, scraping and DNS tunnels by real tools against real servers."""
import pathlib

from lib import case, servers
from lib.lab import SERVICE, SERVICE_NET, run
from lib.scene import Scene, client_address

CLEAR = f"http://{SERVICE}"
NMAP = ("nmap", "-n", "-Pn", "--max-retries", "1")

# Name: commands at once, seconds, capture words, held.
SCANS = {
    "nmap-syn": ([(*NMAP, "-sS", "-p1-3000", "--max-rate", "900", SERVICE)], 8, "", False),
    "nmap-connect": ([(*NMAP, "-sT", "-p1-1500", SERVICE)], 8, "", True),
    "nmap-fin": ([(*NMAP, "-sF", "-p1-1000", SERVICE)], 8, "", False),
    "nmap-xmas": ([(*NMAP, "-sX", "-p1-1000", "--max-rate", "500", SERVICE)], 8, "alone", True),
    "nmap-null": ([(*NMAP, "-sN", "-p1-1000", "--max-rate", "500", SERVICE)], 8, "alone", False),
    "nmap-ack": ([(*NMAP, "-sA", "-p1-1500", "--max-rate", "700", SERVICE)], 8, "", True),
    "nmap-udp": ([(*NMAP, "-sU", "-p1-900", "--max-rate", "300", SERVICE)], 8, "", False),
    "nmap-version": ([(*NMAP, "-sV", "-p", "22,25,53,80,110,143,443,3306,8080", SERVICE)], 12, "", True),
    "nmap-os": ([(*NMAP, "-O", "-A", "-p1-500", SERVICE)], 12, "alone", False),
    "nmap-sweep": ([("nmap", "-n", "-sn", "-PE", "-PS443", "--max-rate", "200", SERVICE_NET)], 8, "", False),
    "nmap-net-port": ([(*NMAP, "-sS", "-p", "22,80,443,3389", "--max-rate", "600", SERVICE_NET)], 8, "alone", True),
    "nmap-slow": ([(*NMAP, "-sS", "-p1-400", "--scan-delay", "40ms", SERVICE)], 18, "", True),
    "nmap-decoys": ([(*NMAP, "-sS", "-D", "24.1.1.1,31.2.2.2,46.3.3.3,51.4.4.4,ME", "-p1-800", SERVICE)], 8, "", True),
    "nmap-fast-alone": ([("nmap", "-n", "-Pn", "-T5", "-sS", "-p-", "--max-rate", "4000", SERVICE)], 6, "alone gz", False),
    "masscan-net": ([("masscan", SERVICE_NET, "-p1-200", "--rate", "1500", "--wait", "1", "-e", "eth0")], 8, "alone", False),
    "masscan-one-port": ([("masscan", SERVICE_NET, "-p443,8443,8080,22,23,2323", "--rate", "400", "--wait", "1", "-e", "eth0")], 8, "", True),
    "nmap-scripts": ([("nmap", "-n", "-Pn", "-p80", "--script", "http-enum,http-vuln*,http-title", SERVICE)], 10, "", False),
}


def scan(work, commands, seconds, how):
    alone = "alone" in how
    with Scene(work, how) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.quiet(0.2 if alone else 4)
        scene.together(commands, seconds)
        scene.quiet(0.2 if alone else 1)
    return scene.files


for name, (commands, seconds, how, held) in SCANS.items():
    case.add(f"scan-{name}", "abuse", "scan", lambda work, c=commands, s=seconds, h=how: scan(work, c, s, h), held=held,
             note=" ".join(str(word) for word in commands[0][:6]))


WORDLIST = pathlib.Path("/usr/share/dirb/wordlists/common.txt")
WEB_SCANS = {
    "gobuster": (("gobuster", "dir", "-q", "-t", "4", "--delay", "20ms", "-u", CLEAR, "-w", WORDLIST), 10, "combined", False),
    "dirb": (("dirb", CLEAR + "/", WORDLIST, "-S", "-r", "-z", "8"), 10, "timed", True),
    "ffuf": (("ffuf", "-s", "-t", "5", "-rate", "120", "-u", CLEAR + "/FUZZ", "-w", WORDLIST), 10, "main", True),
    "wfuzz": (("wfuzz", "-c", "-t", "4", "--hc", "404", "-w", WORDLIST, CLEAR + "/FUZZ"), 10, "combined", False),
    "sqlmap": (("sqlmap", "--batch", "--flush-session", "--level", "3", "--risk", "2", "-u", CLEAR + "/app/item?id=1"), 14, "combined", False),
    "whatweb": (("whatweb", "-a", "4", CLEAR), 10, "combined", True),
}


def web_scan(work, command, seconds, form, kept):
    def prepare(scene):
        servers.app(scene.lab)
        servers.nginx(scene.lab, scene.tmp, form=form)
    with Scene(work, "", rate=3, prepare=prepare, visitor_options=("--app", 0.2)) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.quiet(6)
        scene.attack(*command, seconds=seconds)
        scene.quiet(3)
        scene.keep_log(scene.tmp / "access.log", "access.log")
    return ["access.log"] if kept == "log" else ["capture.pcap"]


for name, (command, seconds, form, held) in WEB_SCANS.items():
    for kept in ("log", "pcap"):
        case.add(f"scan-web-{name}-{kept}", "abuse", "scan,credential-abuse" if name == "whatweb" else "scan",
                 lambda work, c=command, s=seconds, f=form, k=kept: web_scan(work, c, s, f, k), note=f"{command[0]}, {kept}", held=held)


def ssh_server(scene):
    """An SSH server that takes passwords and knows nobody."""
    key = scene.tmp / "host"

    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    (scene.tmp / "sshd_config").write_text(
        f"Port 22\nListenAddress {SERVICE}\nHostKey {key}\nPidFile {scene.tmp}/sshd.pid\nPasswordAuthentication yes\nUsePAM no\n"
        "MaxStartups 200:30:300\nMaxAuthTries 100\nLoginGraceTime 20\n")
    scene.lab.srv("/usr/sbin/sshd", "-D", "-e", "-f", scene.tmp / "sshd_config")
    servers.until(scene.lab, 22)


def ftp_server(scene):
    (scene.tmp / "empty").mkdir()
    (scene.tmp / "vsftpd.conf").write_text(
        f"listen=YES\nlisten_address={SERVICE}\nlocal_enable=YES\nanonymous_enable=NO\nsecure_chroot_dir={scene.tmp}/empty\nbackground=NO\n"
        "max_login_fails=3\ndelay_failed_login=0\nseccomp_sandbox=NO\n")
    scene.lab.srv("vsftpd", scene.tmp / "vsftpd.conf")
    servers.until(scene.lab, 21)


def web_login(scene):
    servers.app(scene.lab)
    scene.tmp.joinpath("users").write_text("admin:{PLAIN}a-long-secret\n")
    servers.nginx(scene.lab, scene.tmp, form="combined",
                  server=f"location /private/ {{ auth_basic staff; auth_basic_user_file {scene.tmp}/users; }}")


def telnet_server(scene):
    scene.lab.srv("python3", servers.CLIENTS / "telnet_server.py", SERVICE)
    servers.until(scene.lab, 23)


def cache_server(scene):
    scene.lab.srv("redis-server", "--bind", SERVICE, "--requirepass", "a-long-secret", "--save", "")
    servers.until(scene.lab, 6379)


# Name: command, server, seconds, capture words, held; {users} and {words} become files.
GUESSES = {
    "hydra-ssh": (("sh", "-c", "hydra -V -I -t 4 -L {users} -P {words} ssh://" + SERVICE + " | cat > said"), ssh_server, 25, "alone", False),
    "ncrack-ssh": (("ncrack", "-p", "22", "-U", "{users}", "-P", "{words}", "-g", "cl=3,at=4", SERVICE), ssh_server, 14, "alone", True),
    "medusa-ssh": (("medusa", "-h", SERVICE, "-U", "{users}", "-P", "{words}", "-M", "ssh", "-t", "4"), ssh_server, 14, "alone ng", True),
    "hydra-ftp": (("hydra", "-q", "-I", "-t", "6", "-L", "{users}", "-P", "{words}", f"ftp://{SERVICE}"), ftp_server, 25, "alone", False),
    "medusa-ftp": (("medusa", "-h", SERVICE, "-U", "{users}", "-P", "{words}", "-M", "ftp", "-t", "3"), ftp_server, 12, "alone", True),
    "hydra-ssh-far": (("hydra", "-V", "-I", "-t", "4", "-L", "{users}", "-P", "{words}", f"ssh://{SERVICE}"), ssh_server, 20, "alone wan", True),
    "hydra-ftp-far": (("hydra", "-q", "-I", "-t", "8", "-L", "{users}", "-P", "{words}", f"ftp://{SERVICE}"), ftp_server, 20, "wan alone", True),
    "hydra-telnet": (("hydra", "-q", "-I", "-t", "4", "-l", "root", "-P", "{words}", f"telnet://{SERVICE}"), telnet_server, 14, "alone", False),
    "hydra-redis": (("hydra", "-q", "-I", "-t", "4", "-P", "{words}", f"redis://{SERVICE}"), cache_server, 10, "alone wan", True),
    "hydra-basic": (("hydra", "-q", "-I", "-t", "8", "-l", "admin", "-P", "{words}", f"http-get://{SERVICE}/private/"), web_login, 10, "", False),
    "hydra-form": (("hydra", "-q", "-I", "-t", "8", "-l", "admin", "-P", "{words}", SERVICE, "http-post-form", "/app/login:user=^USER^&pass=^PASS^:S=302"), web_login, 10, "", True),
    "medusa-basic": (("medusa", "-h", SERVICE, "-u", "admin", "-P", "{words}", "-M", "http", "-m", "DIR:/private/", "-t", "4"), web_login, 10, "", True),
}


def guess(work, command, server, seconds, how, kept):
    with Scene(work, how, rate=3, prepare=server) as scene:
        scene.lab.client_source(client_address(work.rng))
        users, words = scene.tmp / "names.txt", scene.tmp / "words.txt"
        users.write_text("\n".join(("root", "admin", "test", "oracle", "postgres", "ubuntu", "git", "www")) + "\n")
        words.write_text("\n".join(f"{word}{i}" for i in range(60) for word in ("password", "123456", "qwerty", "letmein", "summer", "admin")) + "\n")
        scene.quiet(0.3 if "alone" in how else 4)
        scene.attack(*[str(part).format(users=users, words=words) for part in command], seconds=seconds)
        scene.quiet(1)
        if kept == "log":
            scene.keep_log(scene.tmp / "access.log", "access.log")
    return ["access.log"] if kept == "log" else [name for name in scene.files if name != "access.log"]


for name, (command, server, seconds, how, held) in GUESSES.items():
    for kept in ("pcap", "log") if server is web_login else ("pcap",):
        case.add(f"guess-{name}-{kept}", "abuse", "credential-abuse",
                 lambda work, c=command, v=server, s=seconds, h=how, k=kept: guess(work, c, v, s, h, k), note=f"{command[0]}, {kept}", held=held)


SCRAPES = {
    "wget": (("wget", "-q", "-r", "-l", "3", "-A", "html", "--delete-after", "-P", "copy", CLEAR + "/"), 8, "", False, "scraping,crawler"),
    "curl-loop": (("sh", "-c", f"i=1; while [ $i -lt 3000 ]; do curl -s -o /dev/null -A 'python-requests/2.31.0' {CLEAR}/app/item/$i; i=$((i+1)); done"), 10, "", False, "scraping"),
    "curl-parallel": (("sh", "-c", f"curl -s -Z --parallel-max 8 -o /dev/null '{CLEAR}/app/item/[1-4000]'"), 8, "", True, "scraping,http-flood"),
}


def scrape(work, command, seconds, how):
    def prepare(scene):
        servers.app(scene.lab, plan="0:30:0:200")
        servers.nginx(scene.lab, scene.tmp, form="combined")
    with Scene(work, how, rate=4, prepare=prepare) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.quiet(6)
        scene.attack(*command, seconds=seconds)
        scene.quiet(2)
        scene.keep_log(scene.tmp / "access.log", "access.log")
    return ["access.log"]


for name, (command, seconds, how, held, causes) in SCRAPES.items():
    label = "abuse,demand" if "crawler" in causes else "abuse,attack" if "http-flood" in causes else "abuse"
    case.add(f"scrape-{name}", label, causes, lambda work, c=command, s=seconds, h=how: scrape(work, c, s, h), note=command[0], held=held)
