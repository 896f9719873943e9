"""Access logs of floods and abuse on sites of all kinds and sizes, written from what the tools and botnets send."""
import string

from lib import weblog as w
from lib.packets import public_address
from families.places import TIMED, scene
from families.site_calm import crowd, extra_visits

FLOOD = "http-flood,cache-busting,expensive-endpoint"
OLD_AGENTS = [w.BROWSERS[0].format(v=v, m=1) for v in (79, 88, 95, 103)] + [w.BROWSERS[1].format(v=v, m=1) for v in (78, 91)]


def word(rng, low=4, high=12):
    return "".join(rng.choice(string.ascii_lowercase + string.digits) for _ in range(rng.randrange(low, high)))


def until(world, most=300):
    return world.onset + min(most, 0.35 * world.span)


@scene("get-flood", "attack", FLOOD, per_s=(0.3, 150))
def get_flood(world):
    """A botnet with browsers' names takes the front page and three others, and nothing else."""
    world.background()
    rng, bots = world.rng, world.addresses(world.rng.choice((60, 400, 2500)))
    names = {bot: rng.choice(OLD_AGENTS) for bot in bots}
    for at in world.flow(max(25, world.per_s * rng.uniform(3, 12)), world.onset, until(world)):
        bot = rng.choice(bots)
        world.add(at, bot, rng.choice(world.site.pages[:4]), names[bot], size=14000, took=rng.lognormvariate(-1.5, 0.8), protocol="HTTP/1.1")


@scene("post-flood", "attack", FLOOD, per_s=(0.3, 60))
def post_flood(world):
    """A few hundred addresses post random texts to the search and the contact form."""
    world.background()
    rng, bots = world.rng, world.addresses(world.rng.choice((30, 300)))
    for at in world.flow(max(20, world.per_s * rng.uniform(2, 8)), world.onset, until(world)):
        world.add(at, rng.choice(bots), rng.choice(("/search", "/contact")), rng.choice(OLD_AGENTS), method="POST", size=5211,
                  status=rng.choice((200, 200, 200, 500, 503)), took=rng.uniform(0.2, 5), protocol="HTTP/1.1")


@scene("forged-forwarded", "attack", FLOOD, per_s=(1, 40), forms=("combined",))
def forged_forwarded(world):
    """Twelve addresses flood and write another forwarded-for address into every request; the log has both."""
    world.background()
    rng, bots = world.rng, world.addresses(12)
    forged = {}
    for at in world.flow(max(40, world.per_s * 5), world.onset, until(world)):
        world.add(at, rng.choice(bots), world.site.pages[0], rng.choice(OLD_AGENTS), size=14000, protocol="HTTP/1.1")
        forged[id(world.requests[-1])] = public_address(rng)
    rows = [r for r in world.requests if r.at < world.end]
    return w.write(world.work.path("access.log"), rows, lambda r: f'{w.combined(r)} "{forged.get(id(r), "-")}"')


@scene("cache-busting", "attack", FLOOD, per_s=(0.3, 80))
def cache_busting(world):
    """Real pages with a random parameter each time, so that no cache can answer; addresses of a hired network."""
    world.background()
    rng, bots = world.rng, world.addresses(world.rng.choice((5, 150, 900)))
    for at in world.flow(max(30, world.per_s * rng.uniform(2, 9)), world.onset, until(world)):
        page = rng.choice(world.site.pages[:12])
        world.add(at, rng.choice(bots), page + ("&" if "?" in page else "?") + f"{word(rng, 2, 5)}={word(rng)}", rng.choice(OLD_AGENTS), size=14000,
                  took=rng.lognormvariate(-1, 0.7), protocol="HTTP/1.1")


@scene("large", "attack", FLOOD, per_s=(150, 250), variants=2, span_s=420, forms=("timed", "combined", "json"))
def large(world):
    """Twenty thousand addresses send four thousand requests a second for twenty seconds; half are answered with 503."""
    world.background()
    rng, bots = world.rng, world.addresses(20000)
    for at in world.flow(4000, world.onset, world.onset + 20):
        world.add(at, rng.choice(bots), "/" if rng.random() < 0.7 else rng.choice(world.site.pages), rng.choice(OLD_AGENTS), size=190,
                  status=rng.choice((200, 503)), took=rng.uniform(0.5, 9))


@scene("pulses", "attack", FLOOD, per_s=(0.5, 40))
def pulses(world):
    """Ten seconds of flood every three minutes."""
    world.background()
    rng, bots = world.rng, world.addresses(300)
    start = world.onset
    while start < world.end - 60:
        for at in world.flow(max(100, world.per_s * 10), start, start + 10):
            world.add(at, rng.choice(bots), world.site.pages[0], rng.choice(OLD_AGENTS), size=14000, protocol="HTTP/1.1")
        start += 180


@scene("carpet", "attack", FLOOD, per_s=(5, 60), forms=("vhost", "json", "caddy"))
def carpet(world):
    """Thirty virtual hosts of one server: each gets a few requests more a second, from the same botnet."""
    world.background()
    rng, bots = world.rng, world.addresses(1500)
    hosts = [f"customer{i}.example.net" for i in range(30)]
    for r in world.requests:
        r.host = rng.choices(hosts, [1 / (i + 1) for i in range(30)])[0]
    names = {bot: rng.choice(OLD_AGENTS) for bot in bots}
    for at in world.flow(30 * max(2, world.per_s / 12), world.onset, until(world)):
        bot = rng.choice(bots)
        world.add(at, bot, "/", names[bot], size=9000, host=rng.choice(hosts), protocol="HTTP/1.1")


@scene("within-crowd", "attack", FLOOD, per_s=(2, 30), kinds=("shop", "blog"))
def within_crowd(world):
    """A sale has begun and is doing well; some minutes later a botnet joins."""
    world.background()
    rng = world.rng
    crowd(world, extra_visits(world, 1.5), lambda: world.onset - 0.1 * world.span + rng.gammavariate(2, 0.12 * world.span), "-", world.site.pages[:5])
    bots = world.addresses(700)
    for at in world.flow(max(60, world.per_s * 6), world.onset, until(world)):
        world.add(at, rng.choice(bots), rng.choice(world.site.pages[:5]), rng.choice(OLD_AGENTS), size=14000, took=rng.uniform(0.2, 4), protocol="HTTP/1.1")


@scene("dear-search", "attack", FLOOD, per_s=(1, 40), forms=TIMED)
def dear_search(world):
    """Forty addresses send a few searches a second, each of which scans everything."""
    world.background()
    rng, bots = world.rng, world.addresses(40)
    for at in world.flow(rng.uniform(3, 8), world.onset, until(world, 600)):
        took = rng.uniform(3, 25)
        world.add(at, rng.choice(bots), f"/search?q=%25{word(rng, 1, 3)}%25&sort=price&page={rng.randrange(2, 900)}", rng.choice(OLD_AGENTS), size=21000, took=took,
                  status=rng.choice((200, 200, 504)))


@scene("graph", "attack", FLOOD, per_s=(2, 40), forms=("timed", "json", "traefik", "balancer"), kinds=("app",))
def graph(world):
    """Nested queries to a graph interface from a few dozen addresses: each keeps the database busy for seconds."""
    world.background()
    rng, bots = world.rng, world.addresses(30)
    for at in world.flow(max(2, 0.2 * world.per_s), world.begin, world.end):
        world.add(at, public_address(rng), "/graphql", w.browser(rng), method="POST", size=900, referrer=f"https://{world.site.host}/projects")
    for at in world.flow(rng.uniform(8, 20), world.onset, until(world, 600)):
        world.add(at, rng.choice(bots), "/graphql", rng.choice(("python-requests/2.31.0", "axios/1.6.2")), method="POST", size=90311, took=rng.uniform(2, 20),
                  status=rng.choice((200, 200, 502)))


@scene("small-site", "attack", FLOOD, per_s=(0.2, 0.6))
def small_site(world):
    """A script from one address on a site that hardly anybody visits."""
    world.background()
    client, agent = public_address(world.rng), world.rng.choice(("python-requests/2.31.0", "Go-http-client/1.1", "axios/1.6.2", OLD_AGENTS[0]))
    for at in world.flow(world.rng.uniform(15, 60), world.onset, until(world, 120)):
        world.add(at, client, world.site.pages[0], agent, size=14000, protocol="HTTP/1.1")


@scene("slow-requests", "attack", "slow-http", per_s=(1, 40), forms=("combined", "timed", "main", "apache"))
def slow_requests(world):
    """Requests that are never finished: the server logs 408 as it gives each of them up."""
    world.background()
    rng, bots = world.rng, world.addresses(world.rng.choice((2, 40)))
    for at in world.flow(rng.uniform(4, 15), world.onset, until(world, 600)):
        world.add(at, rng.choice(bots), "-", "-", method="-", status=408, size=0, took=60.0, upstream=None)
    form = {"timed": w.timed, "apache": w.apache_micro}.get(world.form, w.combined)
    rows = [r for r in world.requests if r.at < world.end]
    return w.write(world.work.path("access.log"), rows, lambda r: form(r).replace('"- - HTTP/1.1"', '"-"'))


@scene("slow-posts", "attack", "slow-http,http-flood,expensive-endpoint", per_s=(1, 40), forms=("timed", "apache", "main"))
def slow_posts(world):
    """Bodies of forms sent a byte at a time, until the server's patience ends: 408 after a minute."""
    world.background()
    rng, bots = world.rng, world.addresses(25)
    for at in world.flow(rng.uniform(5, 15), world.onset, until(world, 600)):
        world.add(at, rng.choice(bots), "/contact", rng.choice(OLD_AGENTS), method="POST", status=408, size=0, took=rng.uniform(58, 62), upstream=None)


@scene("reset", "attack", "http2-abuse,http-flood", per_s=(2, 60), forms=("timed", "json", "main"))
def reset(world):
    """Streams cancelled as soon as they are opened: 499, nothing sent, hundreds a second from few addresses."""
    world.background()
    rng, bots = world.rng, world.addresses(world.rng.choice((3, 30)))
    for at in world.flow(rng.uniform(200, 600), world.onset, until(world, 60)):
        world.add(at, rng.choice(bots), "/", "-", status=499, size=0, took=0.0, upstream=None, protocol="HTTP/2.0")


@scene("wordpress", "abuse", "credential-abuse", per_s=(0.3, 10), kinds=("blog",))
def wordpress(world):
    """Passwords of a blog guessed at its log-in, a few a second, from some addresses."""
    world.background()
    rng, bots = world.rng, world.addresses(world.rng.choice((1, 6, 80)))
    for at in world.flow(rng.uniform(1, 6), world.onset, until(world, 1500)):
        world.add(at, rng.choice(bots), "/wp-login.php", OLD_AGENTS[2], method="POST", size=4211, status=200, took=0.3, referrer="-", protocol="HTTP/1.1")


@scene("xmlrpc", "abuse,attack", "credential-abuse,http-flood,expensive-endpoint", per_s=(0.3, 10), kinds=("blog",))
def xmlrpc(world):
    """Passwords tried in bulk by the remote procedure calls of a blog."""
    world.background()
    rng, bots = world.rng, world.addresses(world.rng.choice((2, 30)))
    for at in world.flow(rng.uniform(3, 15), world.onset, until(world, 900)):
        world.add(at, rng.choice(bots), "/xmlrpc.php", rng.choice(("-", "Mozilla/5.0", OLD_AGENTS[1])), method="POST", size=409, status=200, took=0.4, protocol="HTTP/1.1")


@scene("stuffing", "abuse", "credential-abuse", per_s=(3, 60), kinds=("shop", "app", "forum"))
def stuffing(world):
    """Leaked passwords tried from ten thousand addresses, each once or a few times."""
    world.background()
    rng, bots = world.rng, world.addresses(10000)
    path = rng.choice(("/login", "/api/v1/session", "/account/signin"))
    failed = rng.choice((401, 200, 403))
    for at in world.flow(max(4, 0.4 * world.per_s), world.onset, world.onset + 0.35 * world.span):
        good = rng.random() < 0.006
        world.add(at, rng.choice(bots), path, rng.choice(OLD_AGENTS), method="POST", status=302 if good else failed, size=0 if good else 1211, took=0.2)


@scene("proxies-scrape", "abuse", "scraping", per_s=(1, 40), kinds=("shop", "forum"))
def proxies_scrape(world):
    """All items read for their prices through two thousand home addresses, in random order."""
    world.background()
    rng, bots = world.rng, world.addresses(2000)
    names = {bot: w.browser(rng) for bot in bots}
    items = [page for page in world.site.pages if page.startswith(("/p/", "/viewtopic"))]
    for at in world.flow(rng.uniform(4, 15), world.onset, world.onset + 0.4 * world.span):
        bot = rng.choice(bots)
        world.add(at, bot, rng.choice(items), names[bot], size=15000, protocol="HTTP/1.1")


@scene("scrape-one", "abuse,demand", "scraping,crawler", per_s=(0.5, 30), kinds=("shop", "forum", "docs"))
def scrape_one(world):
    """One program reads the whole site for hours, page after page, and calls itself a browser."""
    world.background()
    rng, client = world.rng, public_address(world.rng)
    at, agent = world.onset, rng.choice((w.BROWSERS[0].format(v=119, m=1), "Scrapy/2.11 (+https://scrapy.org)", "Go-http-client/1.1"))
    for page in rng.sample(world.site.pages, len(world.site.pages)) * 2:
        at += rng.expovariate(4)
        world.add(at, client, page, agent, size=15000)


@scene("api-walk", "abuse,attack", "scraping,http-flood", per_s=(1, 30), kinds=("app", "shop"))
def api_walk(world):
    """Every account's public data read by number through the interface, from five addresses."""
    world.background()
    rng, bots = world.rng, world.addresses(5)
    for i, at in enumerate(world.flow(rng.uniform(15, 45), world.onset, until(world, 900))):
        lost = rng.random() < 0.3
        world.add(at, rng.choice(bots), f"/api/v2/users/{10000 + i}", rng.choice(OLD_AGENTS[:1]), status=404 if lost else 200, size=40 if lost else 512, took=0.01)


@scene("vulnerability-scan", "abuse", "scan", per_s=(0.3, 40))
def vulnerability_scan(world):
    """A template scanner: thousands of known weak spots, most of them not there."""
    world.background()
    rng, client = world.rng, public_address(world.rng)
    parts = ("/.env", "/.git/HEAD", "/actuator/env", "/cgi-bin/luci", "/solr/admin/info/system", "/vendor/phpunit/phpunit/phpunit.xml", "/wp-content/plugins/{}/readme.txt",
             "/{}.bak", "/{}/config.json", "/api/{}/swagger.json", "/admin/{}.php", "/{}.sql", "/manager/{}", "/index.php?page=../../{}")
    for at in world.flow(rng.uniform(5, 60), world.onset, until(world, 200)):
        world.add(at, client, rng.choice(parts).format(word(rng)), rng.choice(OLD_AGENTS), status=rng.choice((404, 404, 404, 403, 301, 200)), size=153, took=0.002)


@scene("low-flood", "attack", FLOOD, per_s=(20, 60), kinds=("shop", "forum", "blog"))
def low_flood(world):
    """The flood only doubles what comes: three thousand addresses, a page now and then each, nothing that pages are made of."""
    world.background()
    rng, bots = world.rng, world.addresses(3000)
    names = {bot: w.browser(rng) for bot in bots}
    for at in world.flow(world.per_s * 1.2, world.onset, until(world, 900)):
        bot = rng.choice(bots)
        world.add(at, bot, rng.choice(world.site.pages[:20]), names[bot], size=15000, took=rng.lognormvariate(-1, 0.6), protocol="HTTP/1.1")
