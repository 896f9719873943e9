"""Logs of services of many trades with trouble of their own making."""
import itertools

from lib import weblog as w
from lib.field import PLAIN, TIMED, fail, is_dynamic, local_address, scene

OURS = "release-fault,misconfiguration,slow-backend,load-balancer-fault"


@scene("rolling", "fault", OURS, trade="portal gazette kiosk", rate=(0.3, 2))
def rolling(field):
    """A release goes out server by server, and each that has it fails: a tenth, a third, most requests."""
    field.people()
    step = (field.end - field.onset) / 4

    def broken(r):
        share = (0.12, 0.4, 0.75, 0.75)[min(3, int((r.at - field.onset) / step))]
        return fail(r, 500) if is_dynamic(r) and field.rng.random() < share else r
    field.bend(broken)


@scene("front-end-retries", "fault", "client-fault,release-fault,slow-backend,misconfiguration", trade="panel kiosk", rate=(0.2, 1.5))
def front_end_retries(field):
    """An interface fails, and the page that calls it asks again every half second until it is closed."""
    field.people()
    rng = field.rng

    def retried(r):
        if not r.path.startswith("/api/"):
            return r
        again = rng.randrange(8, 60)
        return [w.Request(r.at + 0.5 * i, r.client, r.path, r.agent, r.method, 500, 44, r.referrer, 0.01, 0.01, r.host, r.protocol) for i in range(again)]
    field.bend(retried, end=field.onset + 400)


@scene("pool", "fault", "slow-backend,load-balancer-fault", trade="kiosk panel course", rate=(0.3, 1.5), forms=("haproxy",))
def pool(field):
    """All connections to the database are in use: requests wait in the balancer's queue, and many are given up there."""
    field.people()

    def queued(r):
        if not is_dynamic(r):
            return r
        waits = field.rng.uniform(1.5, 5)
        if field.rng.random() < 0.35:
            r.status, r.size, r.took, r.upstream, r.user = 503, 107, 5.0, None, (5000, -1, "<NOSRV>", "sQ--")
        else:
            r.user = (int(waits * 1000), 1, "s1", "----")
            r.took, r.upstream = r.took + waits + 2, r.took + 2
        return r
    field.bend(queued)


@scene("one-of-four", "fault", "load-balancer-fault,release-fault", trade="kiosk gazette", rate=(0.4, 2), forms=("haproxy",))
def one_of_four(field):
    """One of four servers got the new release and answers 500; the balancer's checks do not see it."""
    field.people()
    servers = itertools.cycle(("s1", "s2", "s3", "s4"))
    for r in sorted(field.rows, key=lambda r: r.at):
        r.user = (0, 1, next(servers), "----")
    field.bend(lambda r: fail(r, 500) if r.user[2] == "s3" and is_dynamic(r) else r)


@scene("all-down", "fault", OURS, trade="kiosk gazette panel", rate=(0.3, 2), forms=("haproxy",))
def all_down(field):
    """No server left behind the balancer, for five minutes."""
    field.people()

    def lost(r):
        r.status, r.size, r.took, r.upstream, r.user = 503, 107, 0.0, None, (0, -1, "<NOSRV>", "SC--")
        return r
    field.bend(lost, end=field.onset + 300)


@scene("slow-member", "fault", "load-balancer-fault,slow-backend", trade="kiosk gazette course", rate=(0.5, 2), forms=("haproxy",))
def slow_member(field):
    """One of four servers is ten times as slow as the others."""
    field.people()
    servers = itertools.cycle(("s1", "s2", "s3", "s4"))
    for r in sorted(field.rows, key=lambda r: r.at):
        r.user = (0, 1, next(servers), "----")

    def slow(r):
        if r.user[2] == "s2" and is_dynamic(r):
            r.took, r.upstream = r.took * 12 + 0.3, (r.upstream or 0) * 12 + 0.3
        return r
    field.bend(slow)


@scene("names-moved", "fault", "network-fault,misconfiguration", trade="gazette kiosk portal", rate=(0.8, 3))
def names_moved(field):
    """Our name points elsewhere by mistake: from minute to minute fewer visitors come, until hardly any do."""
    field.people()
    begun = {}

    def gone(r):
        begun.setdefault(r.client, field.rng.random() < min(0.96, (r.at - field.onset) / 90))
        return [] if begun[r.client] else r
    field.bend(gone)


@scene("carrier-gone", "fault", "network-fault", trade="gazette kiosk", rate=(1.2, 3))
def carrier_gone(field):
    """The largest carriers cannot reach us: four of ten networks of our visitors are silent, the others come as ever."""
    field.people()
    field.bend(lambda r: [] if r.client.startswith(("37.24", "79.192", "84.46", "91.12", "93.210", "178.7")) else r)


@scene("maintenance", "fault", OURS, trade="portal course", rate=(0.2, 1))
def maintenance(field):
    """A forgotten switch: all pages say that there is maintenance, with 503, for three minutes."""
    field.people()
    field.bend(lambda r: fail(r, 503, 0.001) if is_dynamic(r) else r, end=field.onset + 180)


@scene("leak", "fault", "slow-backend,release-fault", trade="kiosk portal course", rate=(0.3, 1), forms=TIMED, span_s=3600)
def leak(field):
    """Memory runs out over half an hour: answers take longer and longer, then the service is started anew."""
    field.people()
    until = field.onset + 0.35 * field.span

    def swaps(r):
        grown = (r.at - field.onset) / (until - field.onset)
        if is_dynamic(r):
            r.took = r.upstream = min(30.0, r.took * (1 + 60 * grown * grown))
            if grown > 0.97:
                return fail(r, 502, 0.0)
        return r
    field.bend(swaps, end=until)


@scene("app-path", "fault", "misconfiguration,release-fault,client-fault", trade="panel", rate=(0.2, 1))
def app_path(field):
    """A new version of our own phone application asks at a path that is not there any more."""
    field.people()
    phones = [local_address(field.rng) for _ in range(300)]
    for at in field.flow(3 + field.rate, field.begin, field.end):
        new = at > field.onset and field.rng.random() < 0.9
        field.add(at, field.rng.choice(phones), "/api/v3/feed" if new else "/api/v2/feed", "StadtApp/7.2 (Android 14)", status=404 if new else 200, size=91 if new else 3100)


@scene("worker-loop", "fault", "client-fault", trade="panel kiosk", rate=(0.1, 0.6))
def worker_loop(field):
    """A job of ours on an internal host fails to note what it has done, and calls the same interface again and again."""
    field.people()
    for at in field.flow(0.05, field.begin, field.onset):
        field.add(at, "10.1.2.3", "/api/tickets/import", "internal-worker/1.2", method="POST", size=60)
    for at in field.flow(field.rng.uniform(15, 60), field.onset, field.onset + 500):
        field.add(at, "10.1.2.3", "/api/tickets/import", "internal-worker/1.2", method="POST", size=60, status=field.rng.choice((200, 200, 409)))


@scene("fonts-forbidden", "fault", "misconfiguration,release-fault", trade="kiosk gazette", rate=(0.3, 2))
def fonts_forbidden(field):
    """A rule too many: style sheets and fonts are answered with 403."""
    field.people()
    field.bend(lambda r: fail(r, 403, 0.0) if r.path.endswith((".css", ".woff2")) else r)


@scene("slow-part", "fault", "slow-backend", trade="wiki portal", rate=(0.4, 2), forms=TIMED)
def slow_part(field):
    """Only one part of the service has become slow: whatever it answers takes seconds."""
    field.people()
    mark = field.trade.pages[40].rsplit("/", 1)[0] if field.trade.name == "portal" else "/wiki/"

    def slow(r):
        if r.path.startswith(mark.split("/")[0] + "/" + mark.split("/")[1]):
            r.took = r.upstream = r.took * 20 + 1.5
        return r
    field.bend(slow)


@scene("timeouts", "fault", "slow-backend,load-balancer-fault", trade="portal course kiosk", rate=(0.2, 1.5), forms=("micro", "upstreamed", "timed"))
def timeouts(field):
    """The application hangs: a proxy waits thirty seconds and answers 504, for most pages."""
    field.people()

    def hangs(r):
        return fail(r, 504, 30.0) if is_dynamic(r) and field.rng.random() < 0.7 else r
    field.bend(hangs, end=field.onset + 500)


@scene("token-expired", "fault", "misconfiguration,client-fault,release-fault", trade="panel", rate=(0.2, 1), forms=PLAIN)
def token_expired(field):
    """The key by which sessions are signed was changed: every call of every open page is refused with 401."""
    field.people()
    field.bend(lambda r: fail(r, 401, 0.002) if r.path.startswith("/api/") else r)
