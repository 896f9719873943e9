"""Access logs of our own trouble: broken releases, wrong configuration, slow backends, retrying clients."""
import json
import time

from lib import case
from lib import weblog as w
from lib.packets import public_address
from lib.weblog import Request, Site

NOON = w.BEGIN + 12 * 3600
SPAN, ONSET = 3000, 1500


def changes(work, items):
    """Writes the list of changes: seconds after noon, kind, text."""
    rows = [{"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOON + at)), "kind": kind, "text": text} for at, kind, text in items]
    work.path("changes.json").write_text(json.dumps(rows, indent=1) + "\n")
    work.flag("--changes", "changes.json")


def story(work, bend, form, per_hour=700, span=SPAN):
    """A calm site whose requests `bend(request, rng)` from the onset on; `bend` returns the request or several."""
    rng, site = work.rng, Site(work.rng)
    requests = []
    for r in site.background(NOON, NOON + span, per_hour):
        if NOON + ONSET <= r.at:
            made = bend(r, rng)
            requests += made if isinstance(made, list) else [made]
        else:
            requests.append(r)
    return w.write(work.path("access.log"), (r for r in requests if r.at < NOON + span), form)


def is_page(r):
    return not r.path.startswith(("/static", "/media", "/favicon", "/health", "/robots"))


def fails(share, status, paths=None, took=0.02):
    def bend(r, rng):
        hit = is_page(r) if paths is None else any(r.path.startswith(path) for path in paths)
        if hit and r.status < 400 and rng.random() < share:
            r.status, r.size, r.took, r.upstream = status, 588, took, took
        return r
    return bend


def refuses(status, prefix):
    """Instant refusals of one part of the site."""
    def bend(r, rng):
        if r.path.startswith(prefix) and r.status < 400:
            r.status, r.size, r.took, r.upstream = status, 162, 0.0, None
        return r
    return bend


def slows(factor, timeout=60.0, paths=None, ramp=300):
    """What needs the database waits; arrivals stay as they were."""
    def bend(r, rng):
        if is_page(r) and (paths is None or r.path.startswith(paths)):
            grown = 1 + (factor - 1) * min(1.0, (r.at - NOON - ONSET) / ramp)
            r.took = r.upstream = r.took * grown * rng.lognormvariate(0, 0.4)
            if r.took > timeout:
                r.took, r.upstream, r.status, r.size = timeout, timeout, 504, 167
        return r
    return bend


def retries(status):
    """An application of ours that asks again at once, and again, when it gets an error."""
    def bend(r, rng):
        if not r.path.startswith("/catalog"):
            return r
        out = [r]
        r.status, r.size = status, 60
        for i in range(rng.randrange(8, 25)):
            out.append(Request(r.at + 0.3 * i + rng.uniform(0, 0.1), r.client, "/api/v1/sync", "ExampleApp/5.2.0 (Android 14)", method="POST",
                               status=status, size=60, took=0.01, upstream=0.01))
        return out
    return bend


FAULTS = {
    "release-5xx": ("release-fault", fails(0.9, 500), w.combined, True, False),
    "release-5xx-untold": ("release-fault,misconfiguration,slow-backend", fails(0.95, 500), w.combined, False, False),
    "release-path": ("release-fault", fails(1.0, 500, ("/catalog",)), w.timed, True, True),
    "release-third": ("release-fault", fails(0.3, 500), w.timed, True, False),
    "release-canary": ("release-fault", fails(0.1, 500), w.combined, True, True),
    "release-502": ("release-fault,misconfiguration", fails(0.97, 502, took=0.0), w.json_lines, True, True),
    "release-third-untold": ("release-fault,slow-backend,misconfiguration", fails(0.3, 503), w.timed, False, True),
    "config-403": ("misconfiguration,release-fault", refuses(403, "/media"), w.combined, "config", False),
    "config-404": ("misconfiguration,release-fault", refuses(404, "/static"), w.timed, "config", True),
    "config-403-untold": ("misconfiguration,release-fault", refuses(403, "/media"), w.vhost, False, False),
    "config-404-untold": ("misconfiguration,release-fault", refuses(404, "/static/css"), w.combined, False, True),
    "config-401": ("misconfiguration,release-fault", refuses(401, "/catalog"), w.timed, "config", False),
    "database-slow": ("slow-backend", slows(40), w.timed, False, False),
    "database-mild": ("slow-backend", slows(8), w.timed, False, True),
    "database-504": ("slow-backend", slows(900), w.timed, False, False),
    "database-one-path": ("slow-backend", slows(60, paths="/search"), w.timed, False, True),
    "database-apache": ("slow-backend", slows(50, ramp=5), w.apache_micro, False, True),
    "database-json": ("slow-backend", slows(25), w.json_lines, False, False),
    "client-retries": ("client-fault", retries(401), w.timed, False, False),
    "client-retries-500": ("client-fault,release-fault,slow-backend", retries(500), w.combined, False, True),
}


def register():
    for name, (causes, bend, form, told, held) in FAULTS.items():
        def build(work, bend=bend, form=form, told=told):
            if told:
                kind = "config" if told == "config" else "deploy"
                changes(work, [(ONSET - work.rng.randrange(20, 200), kind, "web 5.2.0" if kind == "deploy" else "nginx: new location blocks")])
            return story(work, bend, form)
        case.add(f"fault-{name}", "fault", causes, build, note="arrivals unchanged" if "client" not in name else "our own app repeats itself", held=held)


register()


@case.case("fault-client-loop", "fault", "client-fault", note="one client of ours loops on one call, 25/s, same 200")
def loop(work):
    rng, site = work.rng, Site(work.rng)
    requests = list(site.background(NOON, NOON + SPAN, 300))
    requests += [Request(NOON + ONSET + i / 25 + rng.uniform(0, 0.03), "10.0.4.17", "/api/v1/status", "internal-sync/2.1", size=312, took=0.004, upstream=0.004)
                 for i in range(25 * 900)]
    return w.write(work.path("access.log"), requests, w.timed)


@case.case("fault-client-update", "fault", "client-fault", held=True,
           note="an app update polls every second instead of every ten minutes, thousands of phones")
def update(work):
    rng, site = work.rng, Site(work.rng)
    requests = list(site.background(NOON, NOON + SPAN, 300))
    for _ in range(260):
        at, client = NOON + ONSET + rng.uniform(0, 900), public_address(rng)
        while at < NOON + SPAN - 1:
            requests.append(Request(at, client, "/api/v1/config", "ExampleApp/5.3.0 (iOS 17.4)", size=811, took=0.003, upstream=0.003, protocol="HTTP/2.0"))
            at += rng.uniform(1.0, 4.0)
    return w.write(work.path("access.log"), requests, w.timed)


@case.case("calm-deploys", "normal", "normal", note="three deploys and no trouble")
def deploys(work):
    changes(work, [(600, "deploy", "web 5.2.1"), (1500, "deploy", "web 5.2.2"), (2500, "config", "nginx: gzip on")])
    return story(work, lambda r, rng: r, w.timed)
