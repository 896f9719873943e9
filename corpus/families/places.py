"""Sites of five kinds and many sizes, and logs of them in many formats: the ground that `sites_*` families build on.

A `World` draws its kind of site, its size, its format and its hour from the case's name; a scenario adds what happens.
"""
import math
import time
import zlib

from lib import case
from lib import weblog as w
from lib.packets import public_address
from lib.weblog import DAY, Request, Site

MONDAY = w.BEGIN  # a Monday's midnight
MOST_LINES = 70_000


class Application(Site):
    """A web application: few pages, and the script of each calls an interface."""

    def load(self, at, client, agent, page, referrer, seen, protocol="HTTP/2.0"):
        yield from super().load(at, client, agent, page, referrer, seen, protocol)
        rng = self.rng
        for i in range(rng.randrange(2, 7)):
            path = rng.choice(("/api/v2/me", "/api/v2/notifications", "/api/v2/projects?limit=50", f"/api/v2/projects/{rng.randrange(900)}",
                               f"/api/v2/tasks?project={rng.randrange(900)}"))
            took = rng.lognormvariate(-3.4, 0.6)
            yield Request(at + 0.4 + 0.3 * i + rng.random(), client, path, agent, size=rng.randrange(90, 9000), took=took, upstream=took,
                          referrer=f"https://{self.host}{page}", host=self.host, protocol=protocol,
                          method="POST" if rng.random() < 0.08 else "GET", status=rng.choices((200, 204, 304, 401), (85, 6, 7, 2))[0])


def shop(rng):
    site = Site(rng, 1)
    names = ("lamp", "chair", "desk", "shelf", "rug", "sofa", "mirror", "vase", "clock", "bench")
    paths = ["/"] + [f"/c/{name}s" for name in names] + [f"/p/{rng.choice(names)}-{rng.randrange(100, 9999)}" for _ in range(900)]
    return furnish(site, paths, pictures=12, extra=["/cart", "/c/lamps?page=2", "/c/chairs?sort=price"])


def blog(rng):
    site = Site(rng, 1, host="blog.example.net")
    site.common = ["/wp-content/themes/quiet/style.css?ver=6.4", "/wp-includes/js/jquery/jquery.min.js?ver=3.7.1", "/favicon.ico"]
    words = ("bread", "moving", "notes", "garden", "router", "summer", "list", "walk", "kitchen", "books")
    paths = ["/"] + [f"/{rng.randrange(2012, 2027)}/{rng.randrange(1, 13):02}/{rng.choice(words)}-{rng.choice(words)}/" for _ in range(160)]
    return furnish(site, paths, pictures=4, extra=["/feed/", "/?s=bread", "/about/"])


def docs(rng):
    site = Site(rng, 1, host="docs.example.org")
    site.common = ["/_static/theme.css", "/_static/searchtools.js"]
    paths = ["/index.html"] + [f"/{version}/{part}/{rng.randrange(60)}.html" for version in ("stable", "latest", "3.1") for part in
                              ("guide", "reference", "howto") for _ in range(40)]
    return furnish(site, paths, pictures=1, extra=["/stable/search.html?q=install"])


def forum(rng):
    site = Site(rng, 1, host="forum.example.org")
    site.common = ["/styles/base.css", "/js/forum.js"]
    paths = ["/index.php"] + [f"/viewtopic.php?t={rng.randrange(100, 90000)}" for _ in range(700)] + [f"/viewforum.php?f={i}" for i in range(30)]
    return furnish(site, paths, pictures=3, extra=["/search.php?keywords=cable", "/ucp.php?mode=login"])


def application(rng):
    site = Application(rng, 1, host="app.example.com")
    site.common = ["/assets/index-4f1c.js", "/assets/index-91aa.css"]
    return furnish(site, ["/", "/projects", "/inbox", "/settings"] + [f"/projects/{i}" for i in range(120)], pictures=2, extra=["/calendar"])


def furnish(site, paths, pictures, extra):
    rng = site.rng
    site.pages = list(dict.fromkeys(paths + extra))
    site.weights = [1 / (i + 1) ** 0.7 for i in range(len(site.pages))]
    site.sizes = {page: int(rng.lognormvariate(9.7, 0.5)) for page in site.pages}
    site.images = {page: [f"/media/{rng.randrange(9000)}.webp" for _ in range(rng.randrange(pictures + 1))] for page in site.pages}
    return site


KINDS = {"shop": shop, "blog": blog, "docs": docs, "forum": forum, "app": application}


def number_of(client):
    """A number that an address always has."""
    return zlib.crc32(client.encode())


def haproxy(r):
    """HTTP log of HAProxy behind syslog: timers, no agent, no referrer."""
    when = time.strftime("%b %d %H:%M:%S", time.gmtime(r.at + r.took))
    at = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(r.at)) + f".{int(r.at % 1 * 1000):03}"
    work = int((r.upstream or 0) * 1000)
    server = "web/<NOSRV>" if r.upstream is None and r.status in (502, 503) else f"web/web{number_of(r.client) % 3 + 1}"
    return (f"{when} lb1 haproxy[2211]: {r.client}:{40000 + int(r.at * 997) % 20000} [{at}] https~ {server} 0/0/0/{work}/{int(r.took * 1000)} "
            f"{r.status} {r.size} - - ---- 212/201/12/4/0 0/0 \"{r.method} {r.path} {r.protocol}\"")


def balancer(r):
    """Application load balancer of a cloud."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(r.at + r.took)) + f".{int((r.at + r.took) % 1 * 1e6):06}Z"
    target = f"{r.upstream:.3f}" if r.upstream is not None else "0.001"
    return (f"h2 {when} app/web/50dc6c495c0c9188 {r.client}:{40000 + int(r.at * 997) % 20000} 10.0.1.{int(r.at * 13) % 3 + 10}:80 0.000 {target} 0.000 "
            f"{r.status} {r.status} {300 + len(r.path)} {r.size} \"{r.method} https://{r.host}:443{r.path} {r.protocol}\" \"{r.agent}\" "
            f"ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/73e2d6bc24d8a067 "
            f"\"Root=1-{int(r.at):x}-{int(r.at * 7919) & 0xffffffffffff:024x}\" \"{r.host}\" \"-\" 0 {when} \"forward\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\"")


FORMS = {"combined": w.combined, "timed": w.timed, "main": w.main_format, "vhost": w.vhost, "apache": w.apache_micro, "json": w.json_lines,
         "caddy": w.caddy, "traefik": w.traefik, "common": w.common, "haproxy": haproxy, "balancer": balancer}
LIKELY = {"combined": 10, "timed": 8, "main": 4, "vhost": 3, "apache": 3, "json": 4, "caddy": 2, "traefik": 2, "common": 1, "haproxy": 2, "balancer": 2}
TIMED = ("timed", "apache", "json", "caddy", "traefik", "haproxy", "balancer")


class World:
    """Where and when it happens. `per_s` is what is asked for in normal times, all files included."""

    def __init__(self, work, kinds=tuple(KINDS), per_s=(0.2, 120.0), forms=tuple(FORMS), span_s=None):
        self.work, self.rng = work, work.rng
        rng = self.rng
        self.kind = rng.choice(kinds)
        self.site = KINDS[self.kind](rng)
        self.per_s = math.exp(rng.uniform(math.log(per_s[0]), math.log(per_s[1])))
        self.span = span_s or max(600.0, min(7200.0, MOST_LINES / self.per_s))
        self.begin = MONDAY + rng.randrange(7) * DAY + rng.uniform(7, 21) * 3600
        self.onset = self.begin + self.span * rng.uniform(0.3, 0.6)
        self.end = self.begin + self.span
        self.form = rng.choices(forms, [LIKELY[f] for f in forms])[0]
        sample = [len(list(self.site.visit(0))) for _ in range(150)]
        self.visit_requests = sum(sample) / len(sample)
        self.per_hour = self.per_s * 3600 / self.visit_requests
        self.requests = []

    def background(self, begin=None, end=None, curve=None, factor=1.0):
        """Visitors, and robots in proportion to the size of the site."""
        begin, end = begin or self.begin, end or self.end
        site = self.site
        self.requests += site.people(begin, end, self.per_hour * factor, curve)
        gap = max(0.5, 60 / (1 + self.per_s))
        self.requests += site.robot(begin, end, w.GOOGLEBOT, gap, [f"66.249.{self.rng.choice((64, 66, 73))}.{i}" for i in (3, 11, 77, 130)])
        self.requests += site.robot(begin, end, w.BINGBOT, gap * 3, ["157.55.39.8", "40.77.167.12"])
        self.requests += site.noise(begin, end, 4 + self.per_s)
        return self

    def addresses(self, count):
        return [public_address(self.rng) for _ in range(count)]

    def flow(self, rate, begin, end):
        """Moments of a random process of `rate` per second."""
        at = begin
        while (at := at + self.rng.expovariate(rate)) < end:
            yield at

    def add(self, at, client, path, agent, **more):
        more.setdefault("host", self.site.host)
        if "took" not in more:
            more["took"] = self.rng.lognormvariate(-3.1, 0.5)
        more.setdefault("upstream", more["took"])
        self.requests.append(Request(at, client, path, agent, **more))

    def write(self, head="", keep=lambda r: True):
        name = self.rng.choice(("access.log", "access.log", "site.log", "access.log.gz"))
        rows = [r for r in self.requests if r.at < self.end and keep(r)]
        for r in rows:
            r.host = r.host or self.site.host
        return w.write(self.work.path(name), rows, FORMS[self.form], head)


def scene(name, label, causes, variants=2, note="", **options):
    """Registers a scenario twice or more: even numbers are open, odd ones held."""
    def register(happen):
        for variant in range(variants):
            def build(work):
                world = World(work, **options)
                happened = happen(world)
                return happened if happened is not None else world.write()
            case.add(f"site-{name}-{variant}", label, causes, build, note=note or (happen.__doc__ or "").strip(), held=variant % 2 == 1)
        return happen
    return register
