"""What name servers log and answer: BIND, Unbound, NSD, Knot and dnsdist attacked, broken, misused and busy, as logs, dnstap and captures."""
import subprocess
import time

from lib import case, servers
from lib.lab import SERVICE, run, settle
from lib.scene import Scene, client_address
from families.names import ZONE, label

ASKERS = servers.CLIENTS / "askers.py"
BEHIND = "203.0.113.11"
USUAL = ("www", "www", "www", "mail", "ns1", "", "api", "cdn", "shop", "static")
TYPES = (1, 1, 1, 28, 15, 65)


def zone_text(extra=""):
    hosts = "\n".join(f"{word} A 203.0.113.{20 + i}" for i, word in enumerate(("api", "cdn", "shop", "static", "vpn", "git")))
    texts = "\n".join(f"big TXT \"{'x' * 240}{i}\"" for i in range(14))
    return ZONE.format(hosts=hosts + "\n" + extra, texts=texts)


def nsd(scene, address=SERVICE, zone=True, text=None, names=("example.org",)):
    """NSD; without a zone file it answers SERVFAIL, as for a zone that has expired."""
    tmp = scene.tmp
    if zone:
        (tmp / "zone").write_text(text or zone_text())
    blocks = "".join(f"zone:\n  name: {name}\n  zonefile: {tmp}/{'zone' if zone else 'no-such-zone'}\n" for name in names)
    (tmp / "nsd.conf").write_text(
        f"server:\n  ip-address: {address}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: {tmp}\n  pidfile: {tmp}/nsd.pid\n  database: \"\"\n"
        f"  zonelistfile: {tmp}/zone.list\n  xfrdfile: {tmp}/xfrd.state\n  xfrdir: {tmp}\n  server-count: 1\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n{blocks}")
    scene.lab.srv("nsd", "-d", "-c", tmp / "nsd.conf")
    settle(1)


def unbound(scene, stub=BEHIND, extra="", anchor=""):
    """Unbound before a stub zone, logging its replies."""
    tmp = scene.tmp
    (tmp / "unbound.conf").write_text(
        f"server:\n  interface: {SERVICE}\n  access-control: 0.0.0.0/0 allow\n  username: \"\"\n  chroot: \"\"\n  directory: {tmp}\n  pidfile: {tmp}/unbound.pid\n"
        f"  logfile: {tmp}/unbound.log\n  use-syslog: no\n  log-queries: no\n  log-replies: yes\n  log-servfail: yes\n  val-log-level: 2\n  verbosity: 1\n"
        f"  module-config: \"{'validator iterator' if anchor else 'iterator'}\"\n  do-not-query-localhost: no\n  num-threads: 1\n  cache-max-ttl: 2\n  cache-max-negative-ttl: 1\n"
        f"  infra-host-ttl: 2\n  {anchor}\n{extra}\nstub-zone:\n  name: example.org\n  stub-addr: {stub}\n")
    scene.lab.srv("unbound", "-d", "-c", tmp / "unbound.conf")
    servers.until(scene.lab, 53)


def bind(scene, dnstap=False, zones=("example.org",), text=None):
    tmp = scene.tmp
    (tmp / "zone").write_text(text or zone_text())
    (tmp / "empty.zone").write_text("$TTL 60\n@ SOA a. b. 1 600 600 600 60\n@ NS localhost.\n")
    tap = f"dnstap {{ all; }}; dnstap-output file \"{tmp}/tap\";" if dnstap else ""
    blocks = "".join(f'zone "{name}" {{ type master; file "{tmp}/{"zone" if name == "example.org" else "empty.zone"}"; }};\n' for name in zones)
    (tmp / "named.conf").write_text(
        f'options {{ directory "{tmp}"; listen-on {{ {SERVICE}; }}; listen-on-v6 {{ none; }}; recursion no; pid-file "{tmp}/named.pid"; session-keyfile "{tmp}/key"; {tap} }};\n'
        f'logging {{ channel q {{ file "{tmp}/queries.log"; print-time yes; print-category yes; print-severity yes; }}; category queries {{ q; }}; category query-errors {{ q; }};\n'
        f'  category security {{ q; }}; }};\ncontrols {{ }};\n{blocks}')
    scene.lab.srv("named", "-f", "-c", tmp / "named.conf", "-n", "1")
    servers.until(scene.lab, 53)


def dnsdist(scene, backends, extra=""):
    tmp = scene.tmp
    lines = "\n".join(f'newServer({{address="{one}", checkInterval=1, checkTimeout=500}})' for one in backends)
    (tmp / "dnsdist.conf").write_text(
        f'setLocal("{SERVICE}:53")\nsetACL("0.0.0.0/0")\n{lines}\n'
        f'addAction(AllRule(), LogAction("{tmp}/dnsdist.log", false, true, false, false, true))\n'
        f'addResponseAction(AllRule(), LogResponseAction("{tmp}/dnsdist-answers.log", true, false, false, true))\n{extra}\n')
    scene.lab.srv("dnsdist", "--supervised", "--disable-syslog", "-C", tmp / "dnsdist.conf")
    settle(2)


def usual_rows(rng, suffix="example.org"):
    return [f"{f'{word}.{suffix}'.strip('.')} {rng.choice(TYPES)}" for word in USUAL * 12]


def ask(scene, key, rows, sources, rate, seconds, **options):
    """Starts askers with questions of their own."""
    path = scene.tmp / f"{key}.rows"
    path.write_text("\n".join(rows) + "\n")
    words = []
    for option, value in options.items():
        words += [f"--{option}"] if value is True else [f"--{option}", value]
    return scene.lab.cli("python3", ASKERS, "--server", SERVICE, "--questions", path, "--sources", ",".join(sources), "--rate", rate, "--seconds", seconds,
                         "--seed", scene.work.rng.randrange(10**6), *words)


def people(scene, rate=60, seconds=60, count=40, **options):
    rng = scene.work.rng
    ask(scene, "people", usual_rows(rng), [client_address(rng) for _ in range(count)], rate, seconds, **options)


def scene_case(key, kind, causes, prepare, act, note, keep="capture.pcap", how="", vectors="", held=False):
    """`keep`: the capture, or the logs of `tmp` that are the case."""
    def build(work):
        with Scene(work, f"alone {how}", prepare=prepare) as scene:
            act(scene)
            settle(1)
            if keep == "tap":
                # What is left in buffers is written at the end.
                end_server("named", "-TERM")(scene)
                settle(1)
            logs = [] if keep == "capture.pcap" else keep.split()
            for log in logs:
                scene.keep_log(scene.tmp / log, log)
        return logs or scene.files
    case.add(f"named-{key}", kind, causes, build, vectors, note, held)


def random_rows(rng, count=6000, low=7, high=14, suffix="example.org"):
    return [f"{label(rng, low, high)}.{suffix} 1" for _ in range(count)]


def torture(sources=60, rate=600, calm=6, seconds=8, recursion=False, suffix="example.org"):
    """Random names of the zone, asked by many resolvers, while people ask as ever."""
    def act(scene):
        rng, more = scene.work.rng, {"recursion": True} if recursion else {}
        people(scene, **more)
        settle(calm)
        ask(scene, "attack", random_rows(rng, suffix=suffix), [client_address(rng) for _ in range(sources)], rate, seconds, **more)
        settle(seconds + 2)
    return act


def calm_then(change, calm=8, after=10, **options):
    """People ask; after a while something changes."""
    def act(scene):
        people(scene, seconds=calm + after + 2, **options)
        settle(calm)
        change(scene)
        settle(after)
    return act


def block_back_end(scene):
    scene.lab.filter([f"ip daddr {BEHIND} drop"])


def stub_and(back_end):
    def prepare(scene):
        back_end(scene)
        unbound(scene)
    return prepare


def slow_back_end(scene):
    """A back end that answers well, each time after most of a second."""
    nsd(scene, address="203.0.113.12")
    (scene.tmp / "slow.conf").write_text(f'setLocal("{BEHIND}:53")\nsetACL("0.0.0.0/0")\nnewServer({{address="203.0.113.12"}})\naddAction(AllRule(), DelayAction(800))\n')
    scene.lab.srv("dnsdist", "--supervised", "--disable-syslog", "-C", scene.tmp / "slow.conf")
    settle(2)


def signed_zone(scene):
    """A zone whose signatures ended some days ago, and a resolver that checks them."""
    tmp = scene.tmp
    (tmp / "zone").write_text(zone_text())
    for more in (["-f", "KSK"], []):
        run(["dnssec-keygen", "-a", "ECDSAP256SHA256", "-K", str(tmp), *more, "example.org"])
    day = lambda days: time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + days * 86400))  # noqa: E731
    run(["dnssec-signzone", "-P", "-S", "-K", str(tmp), "-o", "example.org", "-s", day(-40), "-e", day(-5), "-f", f"{tmp}/zone.signed", f"{tmp}/zone"])
    signed = (tmp / "zone.signed").read_text()
    keys = [path for path in tmp.glob("Kexample.org*.key") if " 257 " in path.read_text()]
    ds = run(["dnssec-dsfromkey", "-2", str(keys[0])]).strip()
    nsd(scene, address=BEHIND, text=signed)
    unbound(scene, anchor=f"trust-anchor: \"{' '.join(ds.split())}\"")


def lame(scene):
    """The stub leads to a server that does not know the zone."""
    nsd(scene, address=BEHIND, names=("example.net",))
    unbound(scene)


def lame_authority(scene):
    """Resolvers are sent to us for a zone that we do not serve (any more)."""
    nsd(scene, names=("example.net",))


def gone_names(scene):
    """A service was switched off: its users ask for its name over and over, with every suffix of theirs."""
    rng = scene.work.rng
    names = [f"{word}.{suffix}" for word in ("billing-db", "billing-cache") for suffix in ("example.org", "int.example.org", "svc.example.org")]
    people(scene, seconds=22)
    settle(8)
    ask(scene, "gone", [f"{name} {kind}" for name in names for kind in (1, 28)], [f"5.6.7.{i}" for i in range(10, 22)], 250, 12)
    settle(12)


def chatty_failures(scene):
    """Resolvers of ours repeat what fails, many times a second."""
    people(scene, rate=50, seconds=22, count=6, again=True, tries=12, patience=0.25, recursion=True)
    settle(7)
    block_back_end(scene)
    settle(13)


def guess_names(scene):
    """One client tries a list of words as names."""
    rng = scene.work.rng
    people(scene)
    settle(5)
    words = "mail vpn dev test admin db git intranet ftp smtp api stage prod backup jira wiki old new beta demo portal owa remote citrix mx pop imap ns sip voip crm erp".split()
    ask(scene, "guess", [f"{word}{n}.example.org 1" for word in words for n in ("", 1, 2, "01", "-a", "-old", "-new")] * 3, [client_address(rng)], 80, 9, tries=1)
    settle(9)


def tunnel(kinds=(16, 10)):
    """Data in names of one client, beside what people ask."""
    def act(scene):
        rng = scene.work.rng
        people(scene, recursion=True)
        settle(4)
        rows = [f"{label(rng, 45, 60, 'abcdef0123456789')}.{label(rng, 30, 50, 'abcdef0123456789')}.t.example.org {rng.choice(kinds)}" for _ in range(2500)]
        ask(scene, "tunnel", rows, [client_address(rng)], 35, 12, recursion=True)
        settle(12)
    return act


def hashed_names(scene):
    """Names of content networks: hashes that exist, asked by many."""
    rng = scene.work.rng
    people(scene, recursion=True)
    ask(scene, "hashes", [f"{label(rng, 13, 14)}.cdn.example.org 1" for _ in range(900)], [client_address(rng) for _ in range(50)], 90, 16, recursion=True)
    settle(16)


def browsers_starting(scene):
    """Browsers ask for three random names when they start, to see whether the network lies."""
    rng = scene.work.rng
    people(scene, rate=70, recursion=True)
    rows = [f"{label(rng, 7, 15, 'abcdefghijklmnopqrstuvwxyz')} 1" for _ in range(400)]
    ask(scene, "start", rows, [client_address(rng) for _ in range(40)], 5, 18, recursion=True)
    settle(18)


def mail_lists(scene):
    """A mail server asks a block list for each sender."""
    rng = scene.work.rng
    people(scene)
    rows = [f"{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 224)}.bl.example.org 1" for _ in range(2500)]
    ask(scene, "lists", rows, [client_address(rng)], 60, 16)
    settle(16)


def new_zone(scene):
    """A launch: twenty times the questions, of the usual kind, by twenty times the resolvers."""
    rng = scene.work.rng
    people(scene, rate=25, count=15, seconds=24)
    settle(9)
    ask(scene, "launch", usual_rows(rng), [client_address(rng) for _ in range(400)], 450, 12)
    settle(12)


def forged(payload_name, kind, gap_us, victims=0):
    """hping3 sends one question under forged addresses: anybody's, or those of victims."""
    def act(scene):
        rng = scene.work.rng
        head = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01"
        name = b"".join(bytes([len(part)]) + part.encode() for part in payload_name.split(".")) + b"\0"
        message = head + name + kind.to_bytes(2, "big") + b"\0\x01" + b"\0\0\x29\x10\0\0\0\0\0\0\0"
        (scene.tmp / "question").write_bytes(message)
        people(scene)
        settle(5)
        base = ("hping3", "-q", "-2", "-p", "53", "--file", scene.tmp / "question", "-d", len(message), "-i", f"u{gap_us}")
        forging = [("-a", client_address(rng)) for _ in range(victims)] or [("--rand-source",)]
        scene.together([(*base, *words, SERVICE) for words in forging], 5)
        settle(2)
    return act


def end_server(program, how="-9"):
    def change(scene):
        listed = run(["ip", "netns", "pids", scene.lab.server_ns]).split()
        for pid in listed:
            command = open(f"/proc/{pid}/comm").read().strip()
            if command.startswith(program):
                subprocess.run(["kill", how, pid], check=False)
    return change


def behind_dnsdist(scene):
    nsd(scene, address=BEHIND)
    dnsdist(scene, [BEHIND])


def busy_cdn_zone(scene):
    hosts = "\n*.cdn A 203.0.113.40\n"
    nsd(scene, address=BEHIND, text=zone_text(hosts))
    unbound(scene)


def list_zone(scene):
    bind(scene, text=zone_text("2.0.0.127.bl A 127.0.0.2"))


WATER, FLOOD, REFLECT = "dns-random-subdomain", "dns-flood", "dns-reflection"
scene_case("bind-torture-log", "attack", WATER, bind, torture(), "BIND's query log", "queries.log", vectors="example.org")
scene_case("bind-torture-tap", "attack", WATER, lambda scene: bind(scene, dnstap=True), torture(30, 400), "BIND's dnstap", "tap", vectors="example.org", held=True)
scene_case("unbound-torture-log", "attack", WATER, stub_and(lambda scene: nsd(scene, address=BEHIND)), torture(25, 300, recursion=True), "our own resolver, its replies", "unbound.log")
scene_case("nsd-torture", "attack", WATER, nsd, torture(300, 900), "NSD, a capture", how="snap128", held=True)
scene_case("dnsdist-torture-log", "attack", WATER, behind_dnsdist, torture(80, 500), "dnsdist's log of questions", "dnsdist.log", held=True)
scene_case("dnsdist-torture-answers", "attack", WATER, behind_dnsdist, torture(80, 400), "dnsdist's log of answers", "dnsdist-answers.log")
scene_case("unbound-dead", "fault", "slow-backend", stub_and(lambda scene: nsd(scene, address=BEHIND)), calm_then(block_back_end, recursion=True), "the servers behind the resolver are gone")
scene_case("unbound-dead-log", "fault", "slow-backend", stub_and(lambda scene: nsd(scene, address=BEHIND)), calm_then(block_back_end, recursion=True), "the same, as replies", "unbound.log",
           held=True)
scene_case("unbound-slow-log", "fault", "slow-backend", stub_and(slow_back_end), calm_then(lambda scene: None, recursion=True), "800 ms behind the resolver", "unbound.log")
scene_case("unbound-lame-log", "fault", "misconfiguration", lame, calm_then(lambda scene: None, recursion=True), "a delegation to a server that knows nothing of it", "unbound.log", held=True)
scene_case("unbound-lame", "fault", "misconfiguration,slow-backend", lame, calm_then(lambda scene: None, recursion=True), "the same, a capture of the clients' side")
scene_case("nsd-lame", "fault", "misconfiguration", lame_authority, calm_then(lambda scene: None), "we are asked for a zone that we do not serve")
scene_case("nsd-expired", "fault", "misconfiguration,slow-backend", lambda scene: nsd(scene, zone=False), calm_then(lambda scene: None), "the zone has expired", held=True)
scene_case("unbound-signature", "fault", "misconfiguration", signed_zone, calm_then(lambda scene: None, recursion=True), "expired signatures")
scene_case("unbound-signature-log", "fault", "misconfiguration", signed_zone, calm_then(lambda scene: None, recursion=True), "expired signatures, as replies", "unbound.log", held=True)
scene_case("dnsdist-dead", "fault", "slow-backend", behind_dnsdist, calm_then(end_server("nsd")), "the only back end dies")
scene_case("dnsdist-dead-log", "fault", "slow-backend", behind_dnsdist, calm_then(end_server("nsd")), "the only back end dies, in both logs", "dnsdist.log dnsdist-answers.log", held=True)
scene_case("nsd-dies", "fault", "slow-backend,network-fault", nsd, calm_then(end_server("nsd")), "the server dies, people ask again", held=True)
scene_case("gone-names", "fault", "client-fault,misconfiguration", nsd, gone_names, "our own machines ask for a name that is gone")
scene_case("gone-names-log", "fault,normal", "client-fault,misconfiguration,normal", bind, gone_names, "the same, in BIND's log, which has no answers", "queries.log", held=True)
scene_case("retry-storm-log", "fault", "client-fault,slow-backend", stub_and(lambda scene: nsd(scene, address=BEHIND)), chatty_failures, "resolvers repeat what fails", "unbound.log")
scene_case("bind-guess-names", "abuse", "scan", bind, guess_names, "a word list, in BIND's log", "queries.log", held=True)
scene_case("bind-tunnel-log", "abuse", "dns-tunnel", bind, tunnel(), "data in names", "queries.log")
scene_case("unbound-tunnel-log", "abuse", "dns-tunnel", stub_and(lambda scene: nsd(scene, address=BEHIND, text=zone_text("*.t TXT \"x\""))), tunnel((16,)), "data in names", "unbound.log", held=True)
scene_case("unbound-hashes-log", "normal", "normal", busy_cdn_zone, hashed_names, "hashed names that exist", "unbound.log")
scene_case("unbound-hashes", "normal", "normal", busy_cdn_zone, hashed_names, "hashed names that exist", held=True)
scene_case("unbound-browsers-log", "normal", "normal", stub_and(lambda scene: nsd(scene, address=BEHIND)), browsers_starting, "random names of starting browsers", "unbound.log")
scene_case("bind-lists-log", "normal", "normal", list_zone, mail_lists, "a block list in BIND's log", "queries.log", held=True)
scene_case("bind-launch-log", "demand,normal", "flash-crowd,normal", bind, new_zone, "a launch, in BIND's log", "queries.log")
scene_case("nsd-launch", "demand,normal", "flash-crowd,normal", nsd, new_zone, "a launch, a capture", held=True)
scene_case("nsd-forged", "attack", FLOOD, nsd, forged("www.example.org", 1, 600), "one question under anybody's address", vectors="")
scene_case("nsd-reflects", "attack", REFLECT, nsd, forged("big.example.org", 16, 900, 2), "two victims, TXT", how="out", held=True)
scene_case("bind-reflects-log", "attack", f"{REFLECT},{FLOOD}", bind, forged("example.org", 255, 1500, 1), "ANY for one victim, in BIND's log", "queries.log")
scene_case("dnsdist-day-log", "normal", "normal", behind_dnsdist, calm_then(lambda scene: None), "a day in dnsdist's log", "dnsdist.log")
scene_case("bind-day-tap", "normal", "normal", lambda scene: bind(scene, dnstap=True), calm_then(lambda scene: None), "a day in BIND's dnstap", "tap")
