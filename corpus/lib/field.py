"""Services of many trades and their logs, for the `field_*` families: a portal, a course, a wiki, a kiosk, a map.

Unlike `weblog.Site`, people walk along links here, browsers keep a cache, the names of files say little, and what
a page brings along depends on the trade. `scene` registers each scenario twice: once for the open, once for the held
half, with other sizes, rates and formats.
"""
import json
import time

from lib import case
from lib import weblog as w
from lib.packets import public_address
from lib.weblog import Request

DAY = 86400
SUNDAY = w.BEGIN + 6 * DAY
NETS = ("37.24", "79.192", "84.46", "91.12", "93.210", "178.7", "188.98", "213.61", "95.90", "46.114")


def local_address(rng):
    """People of one country come from some dozen networks."""
    return f"{rng.choice(NETS)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def six(rng):
    return f"2a02:{rng.randrange(0x8000, 0x9000):x}:{rng.randrange(65536):x}:{rng.randrange(65536):x}:{rng.randrange(65536):x}::{rng.randrange(1, 65536):x}"


class Trade:
    """A service: pages by depth, what each brings along, and calls of its scripts."""

    def __init__(self, rng, name, host, pages, files, calls=(), speed=0.03):
        self.rng, self.name, self.host = rng, name, host
        self.pages, self.files, self.calls, self.speed = pages, files, calls, speed
        self.links = {page: rng.sample(pages[:40], 5) + rng.sample(pages, 6) for page in pages}

    def took(self):
        return self.rng.lognormvariate(0, 0.6) * self.speed

    def page(self, at, client, agent, path, referrer, cache, status=200):
        rng, took = self.rng, self.took()
        yield Request(at, client, path, agent, status=status, size=4000 + len(path) * 311, referrer=referrer, took=took, upstream=took, host=self.host,
                      protocol="HTTP/2.0")
        own = f"https://{self.host}{path}"
        for part in self.files(rng, path):
            if part in cache:
                continue
            cache.add(part)
            yield Request(at + took + rng.uniform(0.02, 0.8), client, part, agent, size=900 + len(part) * 700, referrer=own,
                          took=rng.choice((0.0, 0.0, 0.001, 0.003)), host=self.host, protocol="HTTP/2.0")
        for call in self.calls:
            spent = self.took()
            yield Request(at + took + rng.uniform(0.2, 1.5), client, call.format(rng.randrange(400)), agent, size=rng.randrange(60, 3000), referrer=own,
                          took=spent, upstream=spent, host=self.host, protocol="HTTP/2.0")

    def visit(self, at, client=None, agent=None, entry=None, referrer=None, pages=None, pause=25.0):
        rng = self.rng
        client, agent = client or local_address(rng), agent or w.browser(rng)
        path = entry or rng.choice(self.pages[:12] + self.pages)
        referrer = referrer if referrer is not None else rng.choice(("-", "-", "https://www.google.com/", "https://www.google.de/", f"https://{self.host}/"))
        cache = set(self.files(rng, path)[:rng.randrange(1, 9)]) if rng.random() < 0.3 else set()
        for _ in range(pages or 1 + int(rng.expovariate(0.45))):
            yield from self.page(at, client, agent, path, referrer, cache)
            referrer, at = f"https://{self.host}{path}", at + rng.expovariate(1 / pause) + 1
            path = rng.choice(self.links[path])


def fixed(*names, pictures=0, of="/bilder/{}.jpg"):
    """The same files on every page, and pictures of its own."""
    def files(rng, path):
        salt = len(path) * 37 + sum(path.encode())
        return list(names) + [of.format(salt * (i + 3) % 5000) for i in range(pictures and salt % (pictures + 1))]
    return files


def portal(rng):
    pages = ["/", "/aktuelles", "/termine", "/formulare", "/amt/pass"] + [f"/buergerservice/{rng.randrange(100, 999)}/leistung" for _ in range(150)]
    return Trade(rng, "portal", "www.stadt.example", pages, fixed("/fileadmin/css/merged.css", "/fileadmin/js/merged.js", "/fileadmin/wappen.svg", "/favicon.ico", pictures=3))


def course(rng):
    pages = ["/", "/my/"] + [f"/course/view.php?id={i}" for i in range(40, 190)] + [f"/mod/page/view.php?id={i}" for i in range(900, 1400)]
    return Trade(rng, "course", "lernen.example.edu", pages, fixed("/theme/styles.php/boost/17/all", "/lib/javascript.php/17/lib/require.min.js", "/pluginfile.php/1/logo.png", pictures=2),
                 ("/lib/ajax/service.php?info=core_fetch_notifications",), 0.09)


def wiki(rng):
    words = ("Alb", "Berg", "Dorf", "Eisen", "Fluss", "Garten", "Hafen", "Insel", "Kirche", "Linde")
    pages = ["/wiki/Hauptseite"] + sorted({f"/wiki/{rng.choice(words)}{rng.choice(words).lower()}_{rng.randrange(80)}" for _ in range(1200)})
    return Trade(rng, "wiki", "wiki.example.org", pages, fixed("/load.php?modules=site.styles&only=styles", "/load.php?modules=startup&only=scripts", "/images/logo.png", pictures=4,
                                                            of="/images/thumb/{}.png"), speed=0.06)


def kiosk(rng):
    pages = ["/", "/neu", "/sale", "/warenkorb"] + [f"/product/{i}" for i in range(1, 2400)]
    return Trade(rng, "kiosk", "shop.example.com", pages, fixed("/build/shop.71fd.css", "/build/shop.90aa.js", "/build/fonts/a.woff2", pictures=8, of="/cdn/produkt-{}.webp"),
                 ("/api/cart/count",), 0.05)


def panel(rng):
    pages = ["/", "/board", "/reports", "/tickets"] + [f"/tickets/{i}" for i in range(4000, 4300)]
    return Trade(rng, "panel", "panel.example.net", pages, fixed("/dist/chunk-a81.js", "/dist/chunk-b02.js", "/dist/main.css"),
                 ("/api/session", "/api/tickets?offset={}", "/api/users/{}", "/api/flags"), 0.02)


def gazette(rng):
    pages = ["/", "/politik/", "/sport/", "/lokales/"] + [f"/artikel/{rng.randrange(10**6, 10**7)}.html" for _ in range(400)]
    return Trade(rng, "gazette", "www.zeitung.example", pages, fixed("/s/base.css", "/s/base.js", "/s/ads.js", "/s/font.woff2", pictures=14, of="/img/w300/{}.jpg"), speed=0.02)


TRADES = {"portal": portal, "course": course, "wiki": wiki, "kiosk": kiosk, "panel": panel, "gazette": gazette}


def haproxy(r):
    """HTTP log of HAProxy with captured host and agent, termination state and queues."""
    day = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(r.at)) + f".{int(r.at % 1 * 1000):03}"
    head = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(r.at + r.took))
    queue, connect, server, state = getattr(r, "user", "-") if isinstance(r.user, tuple) else (0, 1, f"s{1 + sum(r.client.encode()) % 4}", "----")
    work = -1 if server == "<NOSRV>" or state[0] == "s" else int((r.upstream or r.took) * 1000)
    return (f"{head} edge1 haproxy[811]: {r.client}:{20000 + int(r.at * 331) % 40000} [{day}] fe_https~ be_app/{server} 0/{queue}/{connect}/{work}/{int(r.took * 1000)} "
            f"{r.status} {r.size} - - {state} 91/88/7/2/0 0/0 {{{r.host}|{r.agent[:60]}}} \"{r.method} {r.path} {r.protocol}\"")


def keyed(r):
    """An nginx format of a team's own, one JSON object a line, short keys."""
    return json.dumps({"ts": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(r.at)) + f".{int(r.at % 1 * 1000):03}Z", "remote_addr": r.client, "method": r.method, "uri": r.path,
                       "proto": r.protocol, "status": r.status, "bytes": r.size, "referer": r.referrer, "user_agent": r.agent, "duration": round(r.took, 4), "host": r.host})


def upstreamed(r):
    upstream = "-" if r.upstream is None else f"{r.upstream:.3f}"
    return f'{w.combined(r)} "-" {r.took:.3f} {upstream} . -'


FORMS = {"combined": w.combined, "upstreamed": upstreamed, "keyed": keyed, "haproxy": haproxy, "vhost": w.vhost, "micro": w.apache_micro, "timed": w.timed, "caddy": w.caddy,
         "traefik": w.traefik}
TIMED = ("upstreamed", "keyed", "haproxy", "micro", "timed", "caddy")
PLAIN = ("combined", "vhost", "upstreamed", "timed", "keyed")


class Field:
    """One service over one stretch of time; a scenario adds to `rows`."""

    def __init__(self, work, trade, visits_per_s, span_s, forms, begin):
        self.work, self.rng = work, work.rng
        rng = self.rng
        self.trade = TRADES[rng.choice(trade.split())](rng)
        low, high = visits_per_s
        self.rate = low * (high / low) ** rng.random()
        self.begin, self.span, self.form = begin, span_s * rng.uniform(0.8, 1.2), rng.choice(forms)
        self.end, self.onset = begin + self.span, begin + self.span * rng.uniform(0.35, 0.6)
        self.rows = []

    def people(self, begin=None, end=None, curve=lambda at: 1.0, **how):
        for at in self.flow(1.6 * self.rate, begin or self.begin, end or self.end):
            if self.rng.random() * 1.6 < curve(at):
                self.rows += self.trade.visit(at, **how)
        # What every site gets besides people.
        for at in self.flow(0.004 + 0.03 * self.rate, self.begin, self.end):
            self.add(at, "66.249.70.12", self.rng.choice(self.trade.pages), w.GOOGLEBOT)
        for at in self.flow(0.003, self.begin, self.end):
            self.add(at, public_address(self.rng), self.rng.choice(("/.env", "/wp-login.php", "/.git/config", "/owa/")), "Mozilla/5.0", status=404, size=300)
        return self

    def flow(self, rate, begin, end):
        at = begin
        while (at := at + self.rng.expovariate(rate)) < end:
            yield at

    def add(self, at, client, path, agent, **more):
        more.setdefault("host", self.trade.host)
        if "took" not in more:
            more["took"] = self.trade.took()
        more.setdefault("upstream", more["took"])
        self.rows.append(Request(at, client, path, agent, **more))

    def bend(self, change, begin=None, end=None):
        """Passes every request of a time through `change`, which returns one, several or none."""
        out = []
        for r in self.rows:
            if not (begin or self.onset) <= r.at < (end or self.end):
                out.append(r)
                continue
            made = change(r)
            out += made if isinstance(made, list) else [made]
        self.rows = out

    def addresses(self, count, make=public_address):
        return [make(self.rng) for _ in range(count)]

    def write(self):
        name = self.rng.choice(("access.log", "web.log", "access.log.1.gz"))
        return w.write(self.work.path(name), [r for r in self.rows if self.begin <= r.at < self.end], FORMS[self.form])


def is_dynamic(r):
    """Whether the application answers it, and not the disk."""
    return not any(mark in r.path for mark in (".css", ".js", ".jpg", ".png", ".webp", ".svg", ".ico", ".woff2", "/theme/", "load.php"))


def fail(r, status, took=0.02):
    r.status, r.size, r.took, r.upstream = status, 560, took, took
    return r


def scene(name, label, causes, trade="portal course wiki kiosk panel gazette", rate=(0.05, 3.0), span_s=1500, forms=PLAIN, begin=w.BEGIN + 36_000, note=""):
    """Registers a scenario for both halves."""
    def register(happen):
        for half in ("a", "b"):
            def build(work):
                field = Field(work, trade, rate, span_s, forms, begin)
                return happen(field) or field.write()
            case.add(f"field-{name}-{half}", label, causes, build, note=note or (happen.__doc__ or "").strip(), held=half == "b")
        return happen
    return register
