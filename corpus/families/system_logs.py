"""Logs that are not of requests: logins, firewalls, name servers, errors of servers; written in their formats."""
import time

from lib import case
from lib import weblog as w
from lib.packets import public_address

NOON = w.BEGIN + 12 * 3600


def rfc3164(at):
    return time.strftime("%b %e %H:%M:%S", time.gmtime(at))


def iso(at):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1e6):06d}+00:00"


def write(work, name, rows):
    """Rows of (time, text)."""
    text = "".join(f"{line}\n" for _, line in sorted(rows, key=lambda row: row[0]))
    work.path(name).write_text(text)
    return [name]


def logged(name, label, causes, rows, file, held=False, note=""):
    case.add(f"log-{name}", label, causes, lambda work: write(work, file, rows(work.rng)), note=note, held=held)


def sshd(stamp, at, pid, text):
    return at, f"{stamp(at)} host1 sshd[{pid}]: {text}"


def ssh_day(rng, stamp, hours=10):
    """Staff log in with keys, some mistype, the internet knocks now and then."""
    for _ in range(40 * hours // 10):
        at, pid, port = NOON + rng.uniform(0, hours * 3600), rng.randrange(2000, 60000), rng.randrange(1024, 65536)
        user, client = rng.choice(("anna", "ben", "carla")), f"84.17.9.{rng.randrange(1, 6)}"
        if rng.random() < 0.12:
            yield sshd(stamp, at - 4, pid, f"Failed password for {user} from {client} port {port} ssh2")
        yield sshd(stamp, at, pid, f"Accepted publickey for {user} from {client} port {port} ssh2: ED25519 SHA256:{rng.randbytes(20).hex()}")
        yield sshd(stamp, at + 0.1, pid, f"pam_unix(sshd:session): session opened for user {user}(uid=1001) by (uid=0)")
        yield at + 600, f"{stamp(at + 600)} host1 CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"


def ssh_guesses(rng, stamp, sources, rate, seconds, begin=3600):
    clients = [public_address(rng) for _ in range(sources)]
    for _ in range(int(rate * seconds)):
        at, pid, port, client = NOON + begin + rng.uniform(0, seconds), rng.randrange(2000, 60000), rng.randrange(1024, 65536), rng.choice(clients)
        user = rng.choice(("root", "root", "root", "admin", "test", "oracle", "ubuntu", "git", "user", "postgres"))
        if user in ("root", "git"):
            yield sshd(stamp, at, pid, f"Failed password for {user} from {client} port {port} ssh2")
        else:
            yield sshd(stamp, at, pid, f"Invalid user {user} from {client} port {port}")
            yield sshd(stamp, at + 1, pid, f"Failed password for invalid user {user} from {client} port {port} ssh2")
        yield sshd(stamp, at + 1.2, pid, f"Received disconnect from {client} port {port}:11: Bye Bye [preauth]")


logged("ssh-day", "normal", "normal", lambda rng: ssh_day(rng, rfc3164), "auth.log", note="a day of logins")
logged("ssh-day-iso", "normal", "normal", lambda rng: ssh_day(rng, iso), "auth.log", held=True, note="a day of logins, ISO times")
logged("ssh-guess-one", "abuse", "credential-abuse", lambda rng: [*ssh_day(rng, rfc3164), *ssh_guesses(rng, rfc3164, 1, 1.2, 900)], "auth.log", note="one address, 15 minutes")
logged("ssh-guess-bare", "abuse", "credential-abuse", lambda rng: list(ssh_guesses(rng, iso, 2, 3, 200, 0)), "auth.log", held=True, note="two addresses, nothing else")
logged("ssh-guess-spread", "abuse", "credential-abuse", lambda rng: [*ssh_day(rng, iso), *ssh_guesses(rng, iso, 180, 0.4, 9000)], "auth.log", note="180 addresses, slow")
logged("ssh-guess-many", "abuse", "credential-abuse", lambda rng: [*ssh_day(rng, rfc3164), *ssh_guesses(rng, rfc3164, 40, 5, 400)], "secure", held=True, note="40 addresses, fast")


def firewall(at, source, protocol, sport, dport, extra, length, ttl):
    return at, (f"{rfc3164(at)} fw1 kernel: [{at - NOON + 88123:.6f}] [UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 SRC={source} "
                f"DST=203.0.113.10 LEN={length} TOS=0x00 PREC=0x00 TTL={ttl} ID=0 PROTO={protocol} SPT={sport} DPT={dport} {extra}")


def radiation(rng, seconds=6 * 3600, per_minute=7):
    """What every address gets: lone SYNs to well-known ports."""
    for _ in range(seconds // 60 * per_minute):
        yield firewall(NOON + rng.uniform(0, seconds), public_address(rng), "TCP", rng.randrange(1024, 65536), rng.choice((22, 23, 445, 3389, 8080, 5060, 2323, 6379, rng.randrange(1, 65536))),
                       "WINDOW=1024 RES=0x00 SYN URGP=0", 40, rng.randrange(40, 250))


def port_scan(rng):
    source, at = public_address(rng), NOON + 7200
    for port in rng.sample(range(1, 10000), 1400):
        at += rng.expovariate(30)
        yield firewall(at, source, "TCP", 51000 + rng.randrange(4), port, "WINDOW=1024 RES=0x00 SYN URGP=0", 44, 48)


def syn_lines(rng):
    for _ in range(9000):
        yield firewall(NOON + 7200 + rng.uniform(0, 60), public_address(rng), "TCP", rng.randrange(1024, 65536), 443, "WINDOW=64240 RES=0x00 SYN URGP=0", 40, rng.randrange(40, 250))


def udp_lines(rng):
    for _ in range(8000):
        yield firewall(NOON + 7200 + rng.uniform(0, 45), public_address(rng), "UDP", rng.randrange(1024, 65536), 27015, "LEN=1052", 1072, rng.randrange(40, 250))


logged("firewall-quiet", "normal,abuse", "normal,scan", lambda rng: list(radiation(rng)), "ufw.log", note="background of the internet at a firewall")
logged("firewall-scan", "abuse", "scan", lambda rng: [*radiation(rng), *port_scan(rng)], "ufw.log", note="1,400 ports of one address")
logged("firewall-syn", "attack", "syn-flood", lambda rng: [*radiation(rng), *syn_lines(rng)], "ufw.log", held=True, note="a SYN flood at a firewall")
logged("firewall-udp", "attack", "udp-flood", lambda rng: [*radiation(rng), *udp_lines(rng)], "kern.log", held=True, note="a UDP flood at a firewall")


def named(at, client, port, text, kind, rng):
    stamp = time.strftime("%d-%b-%Y %H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}"
    return at, f"{stamp} client @0x7f{rng.getrandbits(40):010x} {client}#{port} ({text}): query: {text} IN {kind} -E(0)DC (203.0.113.10)"


def zone_day(rng, seconds=3600, rate=6):
    pool = [public_address(rng) for _ in range(300)]
    for _ in range(seconds * rate):
        yield named(NOON + rng.uniform(0, seconds), rng.choice(pool), rng.randrange(1024, 65536), rng.choice(("www", "mail", "ns1", "api", "cdn", "shop")) + ".example.org",
                    rng.choice(("A", "A", "AAAA", "HTTPS", "MX")), rng)


def zone_random(rng):
    pool = [public_address(rng) for _ in range(150)]
    for _ in range(14000):
        yield named(NOON + 1800 + rng.uniform(0, 70), rng.choice(pool), rng.randrange(1024, 65536),
                    "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(rng.randrange(8, 14))) + ".example.org", "A", rng)


def zone_any(rng):
    victims = [public_address(rng) for _ in range(2)]
    for _ in range(9000):
        yield named(NOON + 1800 + rng.uniform(0, 120), rng.choice(victims), rng.choice((53, 80, rng.randrange(1024, 65536))), "example.org", "ANY", rng)


def zone_flood(rng):
    pool = [public_address(rng) for _ in range(40)]
    for _ in range(15000):
        yield named(NOON + 1800 + rng.uniform(0, 50), rng.choice(pool), rng.randrange(1024, 65536), "www.example.org", "A", rng)


logged("named-day", "normal", "normal", lambda rng: list(zone_day(rng)), "queries.log", note="an hour of questions")
logged("named-random", "attack", "dns-random-subdomain", lambda rng: [*zone_day(rng), *zone_random(rng)], "queries.log", note="random names")
logged("named-any", "attack", "dns-reflection", lambda rng: [*zone_day(rng), *zone_any(rng)], "queries.log", held=True, note="ANY for two victims")
logged("named-flood", "attack", "dns-flood", lambda rng: [*zone_day(rng), *zone_flood(rng)], "queries.log", held=True, note="one name, 40 sources")


def nginx_error(at, text, client, request, upstream="http://127.0.0.1:8000"):
    stamp = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(at))
    return at, (f'{stamp} [error] 812#812: *{int(at) % 100000} {text}, client: {client}, server: www.example.org, request: "GET {request} HTTP/1.1", '
                f'upstream: "{upstream}{request}", host: "www.example.org"')


def upstream_errors(text, burst):
    def rows(rng):
        for _ in range(14):
            yield nginx_error(NOON + rng.uniform(0, 7200), "upstream prematurely closed connection while reading response header from upstream", public_address(rng), "/news")
        for _ in range(burst):
            yield nginx_error(NOON + 4000 + rng.uniform(0, 600), text, public_address(rng), rng.choice(("/", "/search?q=a", "/catalog/7", "/account")))
    return rows


logged("nginx-timeouts", "fault", "slow-backend", upstream_errors("upstream timed out (110: Connection timed out) while reading response header from upstream", 1800), "error.log",
       note="error log alone: the upstream does not answer")
logged("nginx-refused", "fault", "slow-backend,load-balancer-fault,release-fault,misconfiguration",
       upstream_errors("connect() failed (111: Connection refused) while connecting to upstream", 2500), "error.log", held=True, note="error log alone: nothing listens upstream")
