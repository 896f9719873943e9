"""Access logs without an attack: quiet and busy days, crowds, crawlers, API jobs, small logs."""
from lib import case
from lib import weblog as w
from lib.packets import public_address
from lib.weblog import DAY, Request, Site

NOON = w.BEGIN + 12 * 3600


def normal(name, held=False, label="normal", causes="normal", note=""):
    return case.case(f"calm-{name}", label, causes, note=note, held=held)


def day(work, per_hour, form, file, days=1, head=""):
    site = Site(work.rng)
    return w.write(work.path(file), site.background(w.BEGIN, w.BEGIN + days * DAY, per_hour, w.diurnal), form, head)


for name, per_hour, form, file, held in (
        ("day-small", 20, w.combined, "access.log", False), ("day-busy", 500, w.timed, "access.log.gz", False),
        ("day-common", 120, w.common, "access.log", True), ("day-vhost", 200, w.vhost, "other_vhosts.log", True),
        ("day-json", 100, w.json_lines, "access.json", False), ("day-caddy", 100, w.caddy, "caddy.log", True),
        ("day-traefik", 100, w.traefik, "traefik.log", False), ("day-apache-us", 150, w.apache_micro, "access.log", True),
        ("day-proxy", 250, w.behind_proxy, "access.log", False), ("day-xff", 250, w.forwarded, "access.log", True)):
    case.add(f"calm-{name}", "normal", "normal", lambda work, p=per_hour, f=form, n=file: day(work, p, f, n),
             note=f"a whole day, {per_hour} visits an hour on average, no trouble", held=held)

case.add("calm-week", "normal", "normal", lambda work: day(work, 40, w.combined, "access.log.gz", 7), note="a week")
case.add("calm-iis-day", "normal", "normal", lambda work: day(work, 60, w.w3c, "u_ex260921.log", head=w.W3C_HEAD), note="IIS W3C", held=True)


@normal("tiny", note="eleven lines")
def tiny(work):
    site = Site(work.rng)
    return w.write(work.path("access.log"), list(site.visit(NOON))[:11])


@normal("tiny-two-lines", held=True)
def two_lines(work):
    site = Site(work.rng)
    return w.write(work.path("access.log"), list(site.visit(NOON))[:2], w.timed)


@normal("page-bursts", note="gallery pages with 90 pictures each; a page is a burst")
def bursts(work):
    rng, site = work.rng, Site(work.rng)
    for page in site.pages:
        site.images[page] = [f"/media/thumb/{rng.randrange(90000)}.jpg" for _ in range(rng.randrange(60, 110))]
    return w.write(work.path("access.log"), site.people(NOON, NOON + 1800, 300))


@normal("one-office", held=True, note="400 people behind one address arrive at nine")
def office(work):
    rng, site = work.rng, Site(work.rng)
    begin = w.BEGIN + 8 * 3600
    requests = list(site.background(begin, begin + 7200, 120))
    for _ in range(400):
        at = begin + 3600 + abs(rng.gauss(0, 500))
        requests += site.visit(at, client="212.88.14.9", referrer="-", entry="/")
    return w.write(work.path("access.log"), requests, w.timed)


@normal("api-batch", note="a partner's nightly job: 20 requests a second from one address for 20 minutes",
        label="normal,demand", causes="normal,crawler")
def api_batch(work):
    rng, site = work.rng, Site(work.rng)
    begin = w.BEGIN + 2 * 3600
    requests = list(site.background(begin, begin + 4000, 150))
    for i in range(24000):
        requests.append(Request(begin + 1200 + i / 20 + rng.uniform(0, 0.02), "51.12.9.30", f"/api/v2/items/{10000 + i}",
                                "python-requests/2.31.0", size=rng.randrange(400, 2400), took=0.012, upstream=0.012, user="partner"))
    return w.write(work.path("access.log"), requests, w.timed)


@normal("typeahead", note="search as you type: many searches per visitor", held=True)
def typeahead(work):
    rng, site = work.rng, Site(work.rng)
    requests = list(site.background(NOON, NOON + 1800, 500))
    for _ in range(500):
        at, client, agent = NOON + rng.uniform(0, 1750), public_address(rng), w.browser(rng)
        word = rng.choice(("garden", "library hours", "children book", "concert tonight", "old map"))
        for i in range(1, len(word) + 1):
            at += rng.uniform(0.1, 0.3)
            requests.append(Request(at, client, f"/api/suggest?q={word[:i].replace(' ', '+')}", agent, size=rng.randrange(80, 900),
                                    took=0.03, upstream=0.03, referrer="https://www.example.org/", protocol="HTTP/2.0"))
    return w.write(work.path("access.log"), requests, w.timed)


@normal("long-polls", note="clients that wait 30 s for news, all the time")
def long_polls(work):
    rng, site = work.rng, Site(work.rng)
    requests = list(site.background(NOON, NOON + 1800, 200))
    for _ in range(150):
        at, client, agent = NOON + rng.uniform(0, 30), public_address(rng), w.browser(rng)
        while at < NOON + 1750:
            took = rng.choice((30.0, 30.0, rng.uniform(1, 30)))
            requests.append(Request(at, client, f"/api/updates?since={int(at)}", agent, status=200 if took < 30 else 204,
                                    size=0 if took == 30 else 310, took=took, upstream=took, protocol="HTTP/2.0"))
            at += took + 0.1
    return w.write(work.path("access.log"), requests, w.timed)


@normal("feed-readers", held=True, note="a podcast: feed readers poll every hour on the hour")
def feeds(work):
    rng, site = work.rng, Site(work.rng)
    requests = list(site.background(w.BEGIN, w.BEGIN + 5 * 3600, 80))
    for _ in range(1500):
        client, agent = public_address(rng), rng.choice(("Overcast/3.0", "AntennaPod/3.2.0", "Podcasts/1650.1 CFNetwork/1474 Darwin/23", "FreshRSS/1.21.0"))
        for hour in range(5):
            requests.append(Request(w.BEGIN + hour * 3600 + abs(rng.gauss(0, 90)), client, "/podcast.xml", agent,
                                    status=rng.choice((304, 304, 304, 200)), size=0, took=0.001))
    return w.write(work.path("access.log"), requests)


@normal("downloads", note="a release of a package: mirrors and people fetch one large file", label="normal,demand", causes="normal,flash-crowd")
def downloads(work):
    rng, site = work.rng, Site(work.rng)
    requests = list(site.background(NOON, NOON + 5400, 150))
    for _ in range(2500):
        at = NOON + 1800 + rng.expovariate(1 / 1500)
        requests.append(Request(at, public_address(rng), "/dist/tool-4.2.0-linux-amd64.tar.gz", rng.choice(("curl/8.5.0", "Wget/1.21.3", w.browser(rng))),
                                size=48234411, took=rng.uniform(2, 60)))
    return w.write(work.path("access.log"), (r for r in requests if r.at < NOON + 5400), w.timed)


def crowd(work, shape, peak, referrer, entry_pages, form, minutes=50, agent=None):
    """A crowd of whole visits: `shape(share of time)` gives its height."""
    rng, site = work.rng, Site(work.rng)
    requests = list(site.background(NOON, NOON + minutes * 60, 250))
    begin, span = NOON + minutes * 20, minutes * 40
    for _ in range(peak):
        share = shape(rng)
        at = begin + share * span
        entry = site.pages[rng.choice(entry_pages)]
        requests += site.visit(at, referrer=referrer, entry=entry, agent=agent and agent(rng), depth=1 + int(rng.expovariate(1.1)))
    return w.write(work.path("access.log"), (r for r in requests if r.at < NOON + minutes * 60), form)


def fading(rng):
    return min(1.0, rng.expovariate(6))


def growing(rng):
    return rng.random() ** 0.45


def wave(rng):
    return min(1.0, max(0.0, rng.gauss(0.25, 0.12)))


def mobile(rng):
    return w.BROWSERS[3].format(v=1, m=rng.randrange(1, 7)) if rng.random() < 0.6 else w.BROWSERS[4].format(v=rng.randrange(118, 130), m=rng.randrange(1, 5))


CROWDS = {
    "link": (fading, 3000, "https://news.ycombinator.com/", [3], w.combined, None, False),
    "link-timed": (fading, 5000, "https://www.reddit.com/", [5], w.timed, None, True),
    "sale": (wave, 4000, "-", [0, 0, 1, 2, 4], w.timed, None, False),
    "mail": (wave, 3500, "-", [7], w.combined, mobile, False),
    "television": (lambda rng: min(1.0, rng.expovariate(25)), 4500, "https://www.google.com/", [0], w.main_format, mobile, True),
    "growth": (growing, 4000, "https://www.google.com/", list(range(60)), w.combined, None, True),
    "tickets": (lambda rng: min(1.0, rng.expovariate(40)), 3500, "-", [9], w.timed, None, False),
    "social-app": (fading, 3000, "android-app://com.facebook.katana/", [11], w.vhost, mobile, True),
}
for name, (shape, peak, referrer, entries, form, agent, held) in CROWDS.items():
    case.add(f"demand-crowd-{name}", "demand", "flash-crowd",
             lambda work, s=shape, p=peak, r=referrer, e=entries, f=form, a=agent: crowd(work, s, p, r, e, f, agent=a),
             note=f"{peak} visitors more, whole pages with assets", held=held)


def crawl(work, robots, minutes=60, form=w.combined):
    rng, site = work.rng, Site(work.rng, 2500)
    requests = list(site.background(NOON, NOON + minutes * 60, 200))
    for agent, gap, addresses, begin, end in robots:
        requests += site.robot(NOON + begin, NOON + end, agent, gap, addresses)
    return w.write(work.path("access.log"), requests, form)


CRAWLS = {
    "google": ([(w.GOOGLEBOT, 0.12, [f"66.249.66.{i}" for i in range(1, 30)], 1200, 3000)], w.combined, False, "demand,normal", "crawler,normal"),
    "bing": ([(w.BINGBOT, 0.2, [f"40.77.167.{i}" for i in range(1, 20)], 900, 3300)], w.timed, True, "demand,normal", "crawler,normal"),
    "several": ([(w.GOOGLEBOT, 0.4, ["66.249.66.5", "66.249.66.9"], 900, 3200), (w.BINGBOT, 0.5, ["157.55.39.3"], 1000, 3300),
                 (w.AHREFS, 0.3, [f"54.36.148.{i}" for i in range(30)], 1100, 3000)], w.combined, False, "demand,normal", "crawler,normal"),
    "gptbot": ([(w.GPTBOT, 0.08, [f"20.171.206.{i}" for i in range(60)], 1500, 2700)], w.combined, True, "demand,normal,abuse", "crawler,normal,scraping"),
    "polite": ([(w.AHREFS, 4, ["54.36.148.7"], 0, 3600)], w.combined, False, "normal,demand", "normal,crawler"),
}
for name, (robots, form, held, label, causes) in CRAWLS.items():
    case.add(f"demand-crawler-{name}", label, causes, lambda work, r=robots, f=form: crawl(work, r, form=f),
             note="known crawlers of search engines", held=held)
