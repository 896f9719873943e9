"""A real HAProxy before three members: dead and slow ones, a database that stops, floods and crowds, as logs."""
import pathlib
import shutil
import tempfile

from lib import case, servers
from lib.lab import SERVICE, Lab, settle, stop
from lib.scene import VISITORS, client_address

CONFIG = """
global
  log {tmp}/log.sock format rfc3164 local0 info
  log-send-hostname lb1
  maxconn 4000
  stats socket {tmp}/admin.sock level admin
defaults
  log global
  mode {mode}
  option {mode}log
  {quiet}
  option redispatch
  retries 2
  timeout connect 1s
  timeout client 15s
  timeout server {server}
  timeout queue 2s
  timeout http-request 5s
frontend public
  bind {address}:80
  default_backend web
backend web
  balance {balance}
  {check}
  default-server {checks} maxconn {limit}
{members}
"""


class Balancer:
    """HAProxy with three backends, and a line of actions while visitors come."""

    def __init__(self, work, plans, mode="http", balance="roundrobin", server="3s", limit=60, rate=9, visitor_options=(), workers=16,
                 log_empty=False, checks="check inter 700ms fall 2 rise 2"):
        self.work, self.plans, self.mode, self.rate, self.workers = work, plans, mode, rate, workers
        self.options = dict(mode=mode, balance=balance, server=server, limit=limit, checks=checks, quiet="" if log_empty else "option dontlognull")
        self.visitor_options = visitor_options
        self.lab = Lab(work.name)
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="corpus-"))
        self.lab.cwd = self.tmp
        self.members = {}

    def __enter__(self):
        self.lab.__enter__()
        self.tmp.chmod(0o755)
        self.syslog = servers.Syslog(self.tmp / "log.sock", self.work.path("haproxy.log"))
        for i in range(len(self.plans)):
            self.start(i)
        for i in range(len(self.plans)):
            servers.until(self.lab, 8001 + i)
        members = "\n".join(f"  server app{i + 1} 127.0.0.1:{8001 + i}" for i in range(len(self.plans)))
        check = "option httpchk GET /health" if self.mode == "http" and self.options["checks"] else ""
        (self.tmp / "haproxy.cfg").write_text(CONFIG.format(tmp=self.tmp, address=SERVICE, members=members, check=check, **self.options))
        self.balancer = self.lab.srv("haproxy", "-db", "-f", self.tmp / "haproxy.cfg")
        servers.until(self.lab, 80)
        self.visitors(*self.visitor_options)
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.syslog.close()
        finally:
            self.lab.__exit__()
            shutil.rmtree(self.tmp, ignore_errors=True)

    def visitors(self, *options, rate=None, seconds=120):
        return self.lab.cli("python3", VISITORS, "--app", "1", "--pause", "0.8", "--seconds", seconds, "--rate", rate or self.rate,
                            "--seed", self.work.rng.randrange(10**6), *options)

    def start(self, i):
        self.members[i] = servers.app(self.lab, port=8001 + i, plan=self.plans[i], workers=self.workers)

    def kill(self, i):
        stop(self.members.pop(i))

    def reload(self):
        """Replaces the balancer, as a reload of the service does."""
        stop(self.balancer)
        self.balancer = self.lab.srv("haproxy", "-db", "-f", self.tmp / "haproxy.cfg")


CALM = "0:20:0:200"


def story(name, label, causes, act, held=False, note="", **options):
    plans = options.pop("plans", [CALM] * 3)

    def build(work):
        with Balancer(work, plans, **options) as lb:
            act(lb)
        return ["haproxy.log"]
    case.add(f"balancer-{name}", label, causes, build, note=note, held=held)


def sleeping(seconds):
    return lambda lb: settle(seconds)


def dies(*members, before=10, after=12):
    def act(lb):
        settle(before)
        for i in members:
            lb.kill(i)
        settle(after)
    return act


def flaps(lb):
    settle(8)
    for _ in range(4):
        lb.kill(1)
        settle(2.2)
        lb.start(1)
        settle(2.5)


def rolls(lb):
    settle(6)
    for i in range(3):
        lb.kill(i)
        settle(1.0)
        lb.start(i)
        settle(3)


def reloads(lb):
    settle(9)
    lb.reload()
    settle(9)


def outage_and_back(lb):
    settle(8)
    for i in range(3):
        lb.kill(i)
    settle(7)
    for i in range(3):
        lb.start(i)
    settle(8)


def flood(*command, seconds=6):
    def act(lb):
        settle(10)
        lb.lab.client_source(client_address(lb.work.rng))
        lb.lab.attack(*command, seconds=seconds)
        settle(5)
    return act


def crowd(lb):
    settle(10)
    lb.visitors("--entry", "/app/catalog", "--referrer", "https://news.ycombinator.com/", rate=60, seconds=14)
    settle(18)


def own(style, *options):
    return ("python3", servers.CLIENTS / "http_attack.py", "--style", style, *options)


story("quiet", "normal", "normal", sleeping(22), note="half a minute of visitors")
story("quiet-tcp", "normal", "normal", sleeping(18), held=True, mode="tcp", note="TCP mode")
story("rolling", "normal,fault", "normal,load-balancer-fault,release-fault", rolls, held=True, note="members restarted one by one")
story("reload", "normal,fault", "normal,load-balancer-fault,misconfiguration", reloads, note="the balancer is replaced")
story("member-dead", "fault", "load-balancer-fault,slow-backend", dies(1), note="one of three stops")
story("two-dead", "fault", "load-balancer-fault,slow-backend", dies(0, 2), held=True, rate=14, note="two of three stop")
story("all-dead", "fault", "slow-backend,load-balancer-fault", dies(0, 1, 2), note="all members stop: 503 without a server")
story("all-dead-and-back", "fault", "slow-backend,load-balancer-fault,release-fault", outage_and_back, held=True, note="seven seconds without a member")
story("all-dead-tcp", "fault", "slow-backend,load-balancer-fault", dies(0, 1, 2), mode="tcp", note="TCP mode, no member left")
story("member-dead-tcp", "fault", "load-balancer-fault,slow-backend", dies(2), mode="tcp", held=True, note="TCP mode, one of three stops")
story("member-slow", "fault", "load-balancer-fault,slow-backend", sleeping(24), plans=[CALM, "0:20:0:200,10:1800:0:200", CALM], note="one of three slow")
story("member-errors", "fault", "load-balancer-fault,release-fault,slow-backend", sleeping(24), plans=[CALM, CALM, "0:20:0:200,10:20:0.9:500"], held=True,
      note="one of three answers 500")
story("member-slow-leastconn", "fault", "load-balancer-fault,slow-backend", sleeping(24), plans=["0:20:0:200,9:2600:0:200", CALM, CALM], balance="leastconn", held=True,
      note="one of three slow, least connections")
story("database-slow", "fault", "slow-backend", sleeping(26), plans=["0:20:0:200,11:1500:0:200"] * 3, note="all members wait for the same database")
story("database-stops", "fault", "slow-backend,load-balancer-fault", sleeping(26), plans=["0:20:0:200,11:30000:0:200"] * 3, held=True, note="no answers, 504s, checks fail")
story("database-locks", "fault", "slow-backend,load-balancer-fault", sleeping(30), plans=["0:20:0:200,11:900:0.15:500,18:4000:0.3:500,24:20:0:200"] * 3, held=True,
      note="grows slow, recovers", workers=6)
story("database-refuses", "fault", "slow-backend,release-fault,load-balancer-fault", sleeping(24), plans=["0:20:0:200,11:8:0.9:500"] * 3, note="instant 500s of all members")
story("flapping", "fault", "load-balancer-fault", flaps, note="a member comes and goes")
story("flood-ab", "attack", "http-flood", flood("ab", "-q", "-n", "20000", "-c", "50", f"http://{SERVICE}/app/catalog"), note="ab through the balancer")
story("flood-hulk", "attack", "cache-busting,http-flood", flood(*own("hulk", "--workers", 60, "--sources", 40, "--rate", 400)), held=True, note="hulk-like")
story("flood-botnet", "attack", "http-flood", flood(*own("browserlike", "--workers", 80, "--sources", 3000, "--rate", 300)), note="3,000 addresses")
story("slowloris", "attack", "slow-http", flood(*own("slow-headers", "--workers", 250, "--seconds", 14), seconds=15), note="408s with cR")
story("slowloris-many", "attack", "slow-http", flood(*own("slow-headers", "--workers", 300, "--sources", 60, "--seconds", 14), seconds=15), held=True, note="408s with cR")
story("connections-tcp", "attack", "connection-flood", flood(*own("connect", "--workers", 60, "--sources", 8, "--rate", 700)), mode="tcp", log_empty=True, note="TCP mode")
story("overload", "attack", "http-flood,expensive-endpoint", flood(*own("browserlike", "--workers", 250, "--sources", 1500, "--path", "/app/search?q=a", "--rate", 200)),
      held=True, limit=10, plans=["0:60:0:200"] * 3, note="queues fill at the balancer")
story("crowd", "demand", "flash-crowd", crowd, note="a link, whole visits of pages without assets")


def cut(port, before=10, after=14):
    """The way to one member takes every packet and brings none back."""
    def act(lb):
        settle(before)
        lb.lab.filter([f"tcp dport {port} drop"])
        settle(after)
    return act


UNCHECKED = ""
story("member-cut-unchecked", "fault", "load-balancer-fault,network-fault", cut(8002), checks=UNCHECKED, rate=6, note="no packet comes back from one member, nobody checks")
story("member-cut", "fault", "load-balancer-fault,network-fault", cut(8001), rate=11, balance="leastconn", held=True, note="no packet comes back from one member")
story("member-dead-unchecked", "fault", "load-balancer-fault,slow-backend", dies(0, before=14), checks=UNCHECKED, rate=4, held=True, note="one of three stops, nobody checks")
story("all-dead-unchecked", "fault", "load-balancer-fault,slow-backend", dies(0, 1, 2, before=12), checks=UNCHECKED, rate=5, note="connections are refused, nobody checks")
story("queue-full", "fault", "slow-backend,load-balancer-fault", sleeping(28), plans=["0:15:0:200,12:1400:0:200"] * 3, limit=1, note="queues fill and time out (sQ)")
story("queue-full-few", "fault", "slow-backend,load-balancer-fault", sleeping(28), plans=["0:30:0:200,9:900:0:200"] * 2, limit=2, rate=12, held=True, note="queues fill and time out (sQ)")
story("database-hangs-unchecked", "fault", "slow-backend", sleeping(28), plans=["0:25:0:200,11:40000:0:200"] * 3, checks=UNCHECKED, server="4s", rate=5, held=True, note="servers do not answer (sH), nobody checks")
story("database-mild", "fault", "slow-backend", sleeping(30), plans=["0:25:0:200,12:190:0:200"] * 3, rate=6, note="seven times slower, no errors")
story("database-patient", "fault", "slow-backend", sleeping(30), plans=["0:12:0:200,10:2200:0:200"] * 2, server="12s", rate=4, checks=UNCHECKED, held=True, note="slow, and no timeout ends it")
story("member-hangs-unchecked", "fault", "load-balancer-fault,slow-backend", sleeping(28), plans=["0:20:0:200", "0:20:0:200,10:40000:0:200", "0:20:0:200"], checks=UNCHECKED, rate=7,
      note="one of three does not answer (sH), nobody checks")
