"""Access logs of attacks on a website, written from models of the tools; each of several shapes of log."""
import string

from lib import case
from lib import weblog as w
from lib.packets import public_address
from lib.weblog import Request, Site


def token(rng, low=3, high=10):
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randrange(low, high)))


def hulk(rng, begin, seconds, rate, sources, site):
    """HULK: unique parameters, referrers of search engines, agents of another decade."""
    agents = ["Mozilla/5.0 (X11; U; Linux x86_64; en-US; rv:1.9.1.3) Gecko/20090913 Firefox/3.5.3",
              "Mozilla/5.0 (Windows; U; Windows NT 6.1; en; rv:1.9.1.3) Gecko/20090824 Firefox/3.5.3 (.NET CLR 3.5.30729)",
              "Opera/9.80 (Windows NT 5.2; U; ru) Presto/2.5.22 Version/10.51",
              "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0; SLCC1; .NET CLR 2.0.50727)"]
    for _ in range(int(rate * seconds)):
        referrer = rng.choice(("http://www.google.com/?q=", "http://www.usatoday.com/search/results?q=",
                               f"http://{site.host}/")) + token(rng, 5, 11).upper()
        at = begin + rng.uniform(0, seconds)
        yield Request(at, rng.choice(sources), f"/?{token(rng).upper()}={token(rng).upper()}", rng.choice(agents),
                      size=5120, referrer=referrer, took=rng.uniform(0.1, 2.5))


def goldeneye(rng, begin, seconds, rate, sources, site):
    """GoldenEye: keep-alive, random query keys on random pages, coherent but many agents."""
    for _ in range(int(rate * seconds)):
        query = "&".join(f"{token(rng, 2, 8)}={token(rng, 2, 12)}" for _ in range(rng.randrange(1, 4)))
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), f"/?{query}",
                      f"Mozilla/5.0 (Windows; {rng.choice(('Win64', 'WOW64'))}; NT {rng.choice(('6.1', '10.3', '6.2'))}) AppleWebKit/"
                      f"{rng.randrange(535, 538)}.{rng.randrange(1, 37)} (KHTML, like Gecko) Chrome/{rng.randrange(6, 35)}.0.{rng.randrange(100, 2000)}.{rng.randrange(0, 100)} Safari/537.36",
                      size=5120, referrer=f"http://{rng.choice(('www.bing.com', 'www.google.com', 'yandex.ru'))}/{token(rng, 3, 9)}",
                      status=rng.choice((200,) * 9 + (503,)), took=rng.uniform(0.05, 3.0))


def same_request(path, agent, size=5120, method="GET", status=200):
    """A bench tool that repeats one request: ab, wrk, siege, LOIC."""
    def attack(rng, begin, seconds, rate, sources, site):
        for _ in range(int(rate * seconds)):
            yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), path, agent, size=size, method=method,
                          status=status, took=rng.uniform(0.01, 0.6), upstream=0.01)
    return attack


def mimic(rng, begin, seconds, rate, sources, site):
    """A botnet with browsers' agents that takes pages, and only pages."""
    agents = {}
    for _ in range(int(rate * seconds)):
        source = rng.choice(sources)
        agent = agents.setdefault(source, w.browser(rng))
        yield Request(begin + rng.uniform(0, seconds), source, rng.choice(site.pages[:40]), agent, size=rng.randrange(6000, 20000),
                      took=rng.lognormvariate(-1, 0.8), upstream=0.3, protocol="HTTP/1.1")


def once_each(rng, begin, seconds, rate, sources, site):
    """Each address asks once or twice: tens of thousands of open proxies."""
    agent = w.BROWSERS[0].format(v=109, m=1)
    for i in range(int(rate * seconds)):
        yield Request(begin + rng.uniform(0, seconds), sources[i % len(sources)], "/", agent, size=14210,
                      took=rng.lognormvariate(-1, 0.8), upstream=0.3, protocol="HTTP/1.1")


def search_storm(rng, begin, seconds, rate, sources, site):
    """Few requests, each of them dear: searches that scan the catalogue."""
    for _ in range(int(rate * seconds)):
        took = rng.uniform(4, 28)
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), f"/search?q=%25{token(rng, 1, 3)}%25&sort=relevance&page={rng.randrange(1, 900)}",
                      w.browser(rng), size=rng.randrange(8000, 30000), took=took, upstream=took,
                      status=rng.choice((200, 200, 200, 504)), protocol="HTTP/1.1")


def random_paths(rng, begin, seconds, rate, sources, site):
    for _ in range(int(rate * seconds)):
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), f"/{token(rng, 6, 14)}", w.BROWSERS[0].format(v=99, m=1),
                      status=404, size=153, took=0.0)


def xmlrpc(rng, begin, seconds, rate, sources, site):
    for _ in range(int(rate * seconds)):
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), "/xmlrpc.php", "Mozilla/4.0 (compatible: MSIE 7.0; Windows NT 6.0)",
                      method="POST", size=370, took=rng.uniform(0.3, 4), upstream=0.5)


def pingback(rng, begin, seconds, rate, sources, site):
    """WordPress sites abused as reflectors: each says so in its agent."""
    blogs = {source: f"WordPress/{rng.choice(('4.9.8', '5.2.3', '6.1.1', '3.9.2'))}; http://blog{rng.randrange(9999)}.example.net; verifying pingback from 185.220.101.4"
             for source in sources}
    for _ in range(int(rate * seconds)):
        source = rng.choice(sources)
        yield Request(begin + rng.uniform(0, seconds), source, "/", blogs[source], size=14210, took=0.4, protocol="HTTP/1.0")


def post_flood(rng, begin, seconds, rate, sources, site):
    for _ in range(int(rate * seconds)):
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), "/contact", w.browser(rng), method="POST",
                      status=rng.choice((200, 500, 502)), size=812, took=rng.uniform(0.5, 8), upstream=1.0, protocol="HTTP/1.1")


def asset_pull(rng, begin, seconds, rate, sources, site):
    """The largest file of the site, over and over."""
    for _ in range(int(rate * seconds)):
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), "/media/catalog-2026.pdf", w.BROWSERS[1].format(v=115, m=1),
                      size=rng.choice((48211930, 48211930, 9011200)), took=rng.uniform(2, 40), status=rng.choice((200, 206)))


def rapid_reset(rng, begin, seconds, rate, sources, site):
    """HTTP/2 streams that the client cancelled: 499 and no bytes."""
    for _ in range(int(rate * seconds)):
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), "/", "-", status=499, size=0, took=0.0,
                      protocol="HTTP/2.0")


def slow_headers(rng, begin, seconds, rate, sources, site):
    """Slowloris as nginx logs it when the header time is up: 408 or 400 without a request."""
    for _ in range(int(rate * seconds)):
        yield Request(begin + rng.uniform(0, seconds), rng.choice(sources), "", "-", status=408, size=0, took=60.0)


# Attack, acceptable causes, requests a second, sources.
ATTACKS = {
    "hulk": (hulk, "cache-busting,http-flood", 150, 1), "goldeneye": (goldeneye, "cache-busting,http-flood", 90, 3),
    "ab": (same_request("/", "ApacheBench/2.3"), "http-flood", 500, 1),
    "wrk": (same_request("/catalog", "-"), "http-flood", 700, 2),
    "siege": (same_request("/", "Mozilla/5.0 (pc-x86_64-linux-gnu) Siege/4.0.7"), "http-flood", 120, 1),
    "loic": (same_request("/", "-", status=200), "http-flood", 200, 25),
    "head": (same_request("/", "Mozilla/5.0 (Windows NT 6.1)", size=0, method="HEAD"), "http-flood", 180, 40),
    "mimic": (mimic, "http-flood", 60, 1200), "once": (once_each, "http-flood", 80, 30000),
    "search": (search_storm, "expensive-endpoint,http-flood", 9, 60), "paths": (random_paths, "http-flood,cache-busting", 110, 20),
    "xmlrpc": (xmlrpc, "http-flood,expensive-endpoint,credential-abuse", 25, 8), "pingback": (pingback, "http-flood", 40, 900),
    "post": (post_flood, "http-flood,expensive-endpoint", 35, 300), "asset": (asset_pull, "http-flood,expensive-endpoint", 20, 70),
    "rapid-reset": (rapid_reset, "http2-abuse,http-flood", 900, 12),
}
# Shape of the log: background visitors an hour, seconds before, of and after the attack.
SHAPES = {
    "bare": (0, 0, 30, 0), "quarter": (300, 500, 120, 280), "hour": (500, 1800, 240, 1560), "start": (400, 0, 90, 1500),
    "end": (400, 2400, 100, 0), "day": (180, 50000, 180, 36220), "night": (220, 12000, 900, 8000),
}
FORMS = {"combined": w.combined, "timed": w.timed, "main": w.main_format, "vhost": w.vhost, "apache": w.apache_micro,
         "json": w.json_lines, "caddy": w.caddy, "traefik": w.traefik, "proxy": w.behind_proxy, "xff": w.forwarded, "common": w.common}
# Which cases there are: attack, shape, form, held.
PLAN = """hulk bare combined open;hulk hour timed open;hulk day combined held;hulk end json held
goldeneye bare combined open;goldeneye quarter main open;goldeneye start timed held
ab bare combined open;ab hour apache held;ab day combined open
wrk bare timed held;wrk quarter timed open;siege hour combined open;siege start apache held
loic bare common open;loic end combined held;head quarter combined open;head day vhost held
mimic quarter timed open;mimic hour combined held;mimic bare combined open;mimic day timed open;mimic start json held
once quarter combined open;once hour main held;once day timed open;once bare combined held
search hour timed open;search quarter timed held;search day timed open
paths bare combined held;paths hour combined open;paths night vhost held
xmlrpc hour combined open;xmlrpc day apache held;xmlrpc bare combined held
pingback quarter combined open;pingback hour vhost held;post hour timed open;post bare timed held
asset hour combined open;asset day timed held;rapid-reset quarter combined open;rapid-reset hour timed held
mimic hour proxy open;ab quarter proxy held;hulk quarter xff open;once quarter xff held
ab quarter caddy open;mimic quarter traefik open;once hour caddy held;hulk quarter traefik held"""


def build_attack(work, attack, shape, form):
    make, _, rate, count = ATTACKS[attack]
    per_hour, before, during, after = SHAPES[shape]
    rng, begin = work.rng, w.BEGIN + (0 if shape == "day" else 9 * 3600)
    site = Site(rng)
    rate *= rng.uniform(0.6, 1.5)
    requests = list(make(rng, begin + before, during, rate, [public_address(rng) for _ in range(count)], site))
    if per_hour:
        requests += site.background(begin, begin + before + during + after, per_hour, w.diurnal if shape == "day" else None)
    requests = [r for r in requests if r.at < begin + before + during + after]
    file = "access.log.gz" if rng.random() < 0.2 else "access.log"
    return w.write(work.path(file), requests, FORMS[form])


def register():
    for entry in PLAN.replace("\n", ";").split(";"):
        attack, shape, form, half = entry.split()
        _, causes, rate, count = ATTACKS[attack]
        label = "attack,abuse" if "credential-abuse" in causes else "attack"

        def build(work, attack=attack, shape=shape, form=form):
            return build_attack(work, attack, shape, form)
        case.add(f"web-{attack}-{shape}-{form}", label, causes, build, note=f"about {rate}/s from {count} addresses", held=half == "held")


register()


@case.case("web-slowloris-log", "attack", "slow-http", note="408s of nginx, few connections a second, normal visitors fade")
def slowloris_log(work):
    rng, begin = work.rng, w.BEGIN + 36000
    site = Site(rng)
    requests = list(site.background(begin, begin + 1200, 400))
    requests += slow_headers(rng, begin + 600, 240, 8, [public_address(rng) for _ in range(3)], site)
    return w.write(work.path("access.log"), requests, lambda r: w.timed(r) if r.path else
                   f'{r.client} - - [{w.stamp(r.at + 60)}] "-" 408 0 "-" "-" rt=60.000 urt=-')


@case.case("web-pulse-ab", "attack", "http-flood", note="20 s bursts every two minutes", held=True)
def pulse(work):
    rng, begin = work.rng, w.BEGIN + 36000
    site, sources = Site(rng), [public_address(rng) for _ in range(40)]
    requests = list(site.background(begin, begin + 1500, 300))
    for start in range(400, 1100, 120):
        requests += mimic(rng, begin + start, 20, 220, sources, site)
    return w.write(work.path("access.log"), requests)


@case.case("web-two-hosts-one-hit", "attack", "http-flood,cache-busting", note="one of two virtual hosts is flooded")
def two_hosts(work):
    rng, begin = work.rng, w.BEGIN + 40000
    one, two = Site(rng), Site(rng, host="shop.example.org")
    requests = list(one.background(begin, begin + 1800, 250)) + list(two.background(begin, begin + 1800, 200))
    for r in hulk(rng, begin + 900, 100, 120, [public_address(rng) for _ in range(30)], two):
        r.host = two.host
        requests.append(r)
    return w.write(work.path("access.log"), requests, w.vhost)
