"""Logs that real servers wrote while real programs asked them: the programs of guests, of guards and of attackers."""
import textwrap

from lib import case, servers
from lib.lab import SERVICE
from lib.scene import Scene, client_address
from families.apache import apache

CLEAR, SECURE = f"http://{SERVICE}", f"https://{SERVICE}"
WORDS = "/usr/share/dirb/wordlists/common.txt"


def shell(text):
    return ("bash", "-c", textwrap.dedent(text).strip())


def looped(url, count, options="", pause=0):
    return shell(f"for i in $(seq 1 {count}); do curl -s -o /dev/null {options} {url}; {f'sleep {pause};' if pause else ''} done")


def own(style, *options):
    return ("python3", servers.CLIENTS / "http_attack.py", "--style", style, *options)


CHROMIUM = ("chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-extensions --ignore-certificate-errors --user-data-dir=$(mktemp -d -p .) "
            "--virtual-time-budget=4000 --timeout=6000 --dump-dom")
# The backend of the site: ten requests at once, 80 ms each.
SMALL_BACKEND = "0:80:0:200"

# Name: class, causes, server, command, seconds, backend's plan, visits per second, quiet seconds before.
STORIES = {
    "wrk-app": ("attack", "http-flood,expensive-endpoint", "timed", ("wrk", "-t1", "-c30", "-d10s", CLEAR + "/app/catalog"), 11, SMALL_BACKEND, 2, 12),
    "wrk-short-log": ("attack", "http-flood,expensive-endpoint", "combined", ("wrk", "-t1", "-c16", "-d4s", CLEAR + "/page7.html"), 5, SMALL_BACKEND, 1, 2),
    "h2load-paced": ("attack", "http-flood,http2-abuse", "main", ("h2load", "-D", "10", "-c", "6", "-m", "4", "--rps", "25", SECURE + "/page3.html"), 12, SMALL_BACKEND, 2, 12),
    "siege-urls": ("attack", "http-flood", "timed", shell(f"for i in $(seq 0 20); do echo {CLEAR}/page$i.html; done > urls.txt; siege -q -i -b -c 20 -t 10S -f urls.txt"), 12, SMALL_BACKEND, 3, 12),
    "ab-post": ("attack", "http-flood,expensive-endpoint", "apache combined", shell(f"echo a=b > body; ab -q -l -n 4000 -c 25 -p body -T application/x-www-form-urlencoded {CLEAR}/app/comment"), 12,
                SMALL_BACKEND, 2, 10),
    "hey-query": ("attack", "http-flood,cache-busting,expensive-endpoint", "timed", ("hey", "-z", "10s", "-c", "15", "-q", "8", "-H", "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/124.0",
                                                                       CLEAR + "/app/search?q=a"), 12, SMALL_BACKEND, 2, 12),
    "hulk-apache": ("attack", "cache-busting,http-flood", "apache micro", own("hulk", "--workers", 30, "--rate", 150, "--seconds", 10), 11, SMALL_BACKEND, 2, 10),
    "goldeneye-slow": ("attack", "cache-busting,http-flood", "combined", own("goldeneye", "--workers", 12, "--sources", 4, "--rate", 60, "--seconds", 12), 13, SMALL_BACKEND, 2, 12),
    "curl-random": ("attack", "cache-busting,http-flood", "timed", shell(
        f"for w in 1 2 3 4 5 6; do (for i in $(seq 1 400); do curl -s -o /dev/null -A 'Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0' {CLEAR}/?$RANDOM$RANDOM; done)& done; wait"),
        14, SMALL_BACKEND, 2, 12),
    "slow-headers-apache": ("attack", "slow-http", "apache combined", ("slowhttptest", "-c", "180", "-H", "-i", "4", "-r", "60", "-l", "20", "-u", CLEAR + "/", "-x", "20"), 22, SMALL_BACKEND, 2, 10),
    "slow-body-nginx": ("attack", "slow-http", "timed quick", ("slowhttptest", "-c", "150", "-B", "-i", "3", "-r", "50", "-l", "20", "-s", "4096", "-u", CLEAR + "/app/form", "-x", "8"), 22, SMALL_BACKEND, 2, 10),
    "ffuf": ("abuse", "scan", "combined", ("ffuf", "-s", "-t", "8", "-w", WORDS, "-u", CLEAR + "/FUZZ"), 12, SMALL_BACKEND, 2, 12),
    "ffuf-as-browser": ("abuse", "scan", "timed", ("ffuf", "-s", "-t", "4", "-p", "0.05", "-w", WORDS, "-H", "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/125.0 Safari/537.36",
                                          "-u", CLEAR + "/FUZZ"), 20, SMALL_BACKEND, 2, 12),
    "gobuster-names": ("abuse", "scan", "main", ("gobuster", "dir", "-q", "-t", "3", "-x", "php,bak", "-u", CLEAR, "-w", "/usr/share/dirb/wordlists/small.txt"), 12, SMALL_BACKEND, 2, 12),
    "hydra-form": ("abuse", "credential-abuse", "apache combined", ("hydra", "-l", "admin", "-P", "/usr/share/dirb/wordlists/small.txt", "-t", "4", SERVICE, "http-post-form",
                                                                   "/app/login:user=^USER^&pass=^PASS^:F={}"), 15, SMALL_BACKEND, 2, 10),
    "curl-products": ("abuse", "scraping", "timed", shell(f"for i in $(seq 1 700); do curl -s -o /dev/null {CLEAR}/app/product/$i; done"), 18, "0:10:0:200", 2, 12),
    "wget-recursive": ("abuse,demand,normal", "scraping,crawler,normal", "combined", ("wget", "-q", "-r", "-l", "3", "-p", "-P", "copy", CLEAR + "/"), 12, SMALL_BACKEND, 2, 12),
    "chromium-people": ("normal,demand", "normal,flash-crowd", "timed", shell(
        f"for i in 1 4 9 13 2 22; do {CHROMIUM} {CLEAR}/page$i.html > /dev/null 2>&1; done"), 30, SMALL_BACKEND, 2, 12),
    "checks-curl": ("normal", "normal", "combined", shell(f"for w in 1 2 3; do (for i in $(seq 1 120); do curl -s -o /dev/null -I -A 'company-monitor/2.1' {CLEAR}/page$w.html; sleep 0.3; done)& done; wait"),
                    35, SMALL_BACKEND, 1, 6),
    "warm-up-curl": ("normal,demand", "normal,crawler", "main", shell(f"for i in $(seq 0 39); do curl -s -o /dev/null {CLEAR}/page$i.html; sleep 0.1; done"), 12, SMALL_BACKEND, 2, 15),
    "crowd": ("demand", "flash-crowd", "timed", ("python3", servers.CLIENTS / "visitors.py", "--rate", "14", "--ramp", "--seconds", "20", "--entry", "/page5.html", "--referrer", "https://news.example/"), 21,
              "0:15:0:200", 1, 15),
    "backend-stalls": ("fault", "slow-backend", "timed", None, 22, "0:15:0:200,14:2500:0:200", 4, 8),
    "backend-fails": ("fault", "release-fault,misconfiguration,slow-backend", "apache micro", None, 22, "0:15:0:200,14:15:0.8:500", 4, 8),
    "quiet": ("normal", "normal", "combined", None, 22, "0:15:0:200", 2, 8),
}


def build(work, server, command, seconds, plan, rate, before):
    words = server.split()

    def nginx(scene):
        servers.app(scene.lab, plan=plan, workers=10)
        limits = "client_body_timeout 6s; client_header_timeout 6s;" if "quick" in words else ""
        servers.nginx(scene.lab, scene.tmp, form=words[0], http=limits, seed=work.rng.randrange(999))
    prepare = apache(words[1], plan) if words[0] == "apache" else nginx
    with Scene(work, "", rate=rate, prepare=prepare, visitor_options=("--app", 0.3)) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.quiet(before)
        if command:
            scene.attack(*command, seconds=seconds)
        else:
            scene.quiet(seconds)
        scene.quiet(5)
        scene.keep_log(scene.tmp / "access.log", "access.log")
    return ["access.log"]


for i, (name, (label, causes, server, command, seconds, plan, rate, before)) in enumerate(STORIES.items()):
    case.add(f"field-live-{name}", label, causes, lambda work, told=(server, command, seconds, plan, rate, before): build(work, *told),
             note=f"real programs, {server}", held=i % 2 == 1)
