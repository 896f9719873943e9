"""Logs of services of many trades under floods, and with guests that mean no good."""
import string

from lib import weblog as w
from lib.field import PLAIN, TIMED, local_address, scene
from lib.packets import public_address

FLOOD = "http-flood,cache-busting,expensive-endpoint"
LIBRARIES = ("python-requests/2.32.3", "Go-http-client/2.0", "axios/1.7.2", "okhttp/4.12.0", "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)")


def word(rng, low=5, high=14, letters=string.ascii_letters + string.digits):
    return "".join(rng.choice(letters) for _ in range(rng.randrange(low, high)))


def botnet(field, rate, count, request, seconds, names=w.browser):
    """Addresses that keep one name each; `request(rng)` says what one of them asks for."""
    rng = field.rng
    bots = [(public_address(rng), names(rng)) for _ in range(count)]
    for at in field.flow(rate, field.onset, field.onset + seconds):
        client, agent = rng.choice(bots)
        path, more = request(rng)
        field.add(at, client, path, agent, **{"protocol": "HTTP/1.1", **more})


@scene("root-random", "attack", "cache-busting,http-flood", rate=(0.1, 1.5))
def root_random(field):
    """The front page with another query every time, from fifteen hundred addresses with browsers' names."""
    field.people()
    botnet(field, field.rng.uniform(40, 150), 1500, lambda rng: (f"/?{word(rng)}", {}), 90)


@scene("root-random-few", "attack", "cache-busting,http-flood", rate=(0.05, 0.5))
def root_random_few(field):
    """The same from eight addresses, with values as well."""
    field.people()
    botnet(field, field.rng.uniform(40, 200), 8, lambda rng: (f"/?{word(rng, 3, 8)}={word(rng)}", {"referrer": f"https://www.google.com/?q={word(rng)}"}), 60)


@scene("picture-random", "attack", "cache-busting,http-flood", trade="kiosk gazette", rate=(0.2, 1))
def picture_random(field):
    """Pictures and scripts asked for with a random version, so that the delivery network passes each on."""
    field.people()
    botnet(field, field.rng.uniform(80, 250), 400, lambda rng: (f"/img/w300/{rng.randrange(400)}.jpg?v={rng.getrandbits(40):x}", {"took": 0.02}), 90)


@scene("half-browsers", "attack", FLOOD, trade="gazette portal kiosk", rate=(0.3, 1))
def half_browsers(field):
    """Bots that send a browser's name and an own referrer and take the style sheet too, but nothing else; each a page every few seconds."""
    field.people()
    rng = field.rng
    bots = [(public_address(rng), w.browser(rng)) for _ in range(800)]
    for at in field.flow(rng.uniform(40, 120), field.onset, field.onset + 240):
        client, agent = rng.choice(bots)
        page = rng.choice(field.trade.pages[:6])
        field.add(at, client, page, agent, referrer=f"https://{field.trade.host}/", took=rng.uniform(0.2, 3))
        if rng.random() < 0.25:
            field.add(at + 0.4, client, field.trade.files(rng, page)[0], agent, referrer=f"https://{field.trade.host}{page}", took=0.001)


@scene("log-in-flood", "attack,abuse", FLOOD + ",credential-abuse", trade="panel course", rate=(0.1, 1), forms=TIMED)
def log_in_flood(field):
    """The log-in is hit at a hundred and fifty a second, since checking a password is dear: most time out."""
    field.people()
    botnet(field, 150, 600, lambda rng: ("/login", {"method": "POST", "status": rng.choice((200, 401, 503, 504)), "took": rng.uniform(1, 12)}), 60)


@scene("pingback", "attack", "http-flood", rate=(0.1, 1))
def pingback(field):
    """Two thousand blogs are made to fetch our front page, each to verify a pingback that somebody forged."""
    field.people()
    botnet(field, field.rng.uniform(50, 200), 2000, lambda rng: ("/", {"protocol": "HTTP/1.0"}), 120,
           names=lambda rng: f"WordPress/{rng.choice(('6.4.2', '5.9.3', '4.9.8'))}; https://blog{rng.randrange(9**5)}.example; verifying pingback from 185.244.25.{rng.randrange(255)}")


@scene("search-dear", "attack", FLOOD, trade="gazette wiki kiosk", rate=(0.2, 1), forms=TIMED)
def search_dear(field):
    """Searches for random words, each of which reads every text: a few dozen addresses, and the service goes down."""
    field.people()
    botnet(field, field.rng.uniform(8, 25), 60, lambda rng: (f"/?s={word(rng, 3, 9)}", {"took": rng.uniform(4, 30), "status": rng.choice((200, 200, 504))}), 300)


@scene("downloads", "attack", FLOOD, trade="portal wiki", rate=(0.1, 0.6))
def downloads(field):
    """The largest file of the site, fetched again and again in full by sixty addresses, to fill the line."""
    field.people()
    botnet(field, field.rng.uniform(15, 50), 60, lambda rng: ("/download/image-2026.iso", {"size": 700_000_000 // rng.randrange(1, 40), "took": rng.uniform(4, 40), "status": rng.choice((200, 206))}), 240)


@scene("heads", "attack", "http-flood", rate=(0.2, 2))
def heads(field):
    """HEAD of the front page, two hundred a second from five hundred addresses."""
    field.people()
    botnet(field, field.rng.uniform(120, 400), 500, lambda rng: ("/", {"method": "HEAD", "size": 0, "took": 0.01}), 60)


@scene("short-and-hard", "attack", "http-flood", rate=(0.5, 3), span_s=300)
def short_and_hard(field):
    """Three thousand requests a second for fifteen seconds from a dozen rented machines; the log holds five minutes."""
    field.people()
    botnet(field, 3000, 12, lambda rng: ("/", {"status": rng.choice((200, 200, 503)), "size": 600}), 15, names=lambda rng: rng.choice(LIBRARIES))


@scene("exits", "attack", FLOOD, trade="portal wiki", rate=(0.01, 0.06))
def exits(field):
    """A quiet site; sixty exits of an anonymising network, one browser version, twenty pages a second, and it answers ever more slowly."""
    field.people()
    agent = "Mozilla/5.0 (Windows NT 10.0; rv:115.0) Gecko/20100101 Firefox/115.0"
    botnet(field, field.rng.uniform(20, 50), 60, lambda rng: (rng.choice(field.trade.pages[:5]), {"took": rng.uniform(0.3, 4)}), 180, names=lambda rng: agent)


@scene("cart", "attack", FLOOD, trade="kiosk", rate=(0.2, 1.5), forms=("haproxy",))
def cart(field):
    """Four hundred addresses put things into carts, a hundred times a second; the balancer's log names no referrers."""
    field.people()
    botnet(field, field.rng.uniform(60, 150), 400, lambda rng: (f"/cart/add?id={rng.randrange(2400)}", {"method": "POST", "status": rng.choice((302, 302, 503)), "took": rng.uniform(0.2, 6)}), 120)


@scene("nowhere", "attack", FLOOD, rate=(0.1, 1))
def nowhere(field):
    """Paths made up at random, none of which is there, from thirty addresses."""
    field.people()
    botnet(field, field.rng.uniform(60, 200), 30, lambda rng: (f"/{word(rng)}/{word(rng)}", {"status": 404, "size": 300, "took": 0.02}), 60)


@scene("grown-slowly", "attack", FLOOD, trade="gazette kiosk portal", rate=(0.3, 1), span_s=2400)
def grown_slowly(field):
    """A flood that grows over ten minutes from nothing to fifty a second; two thousand addresses without a file."""
    field.people()
    rng = field.rng
    bots = [(public_address(rng), w.browser(rng)) for _ in range(2000)]
    for at in field.flow(rng.uniform(40, 80), field.onset, field.end):
        if rng.random() < min(1.0, (at - field.onset) / 600):
            client, agent = rng.choice(bots)
            field.add(at, client, rng.choice(field.trade.pages[:8]), agent, protocol="HTTP/1.1", took=rng.uniform(0.1, 2))


@scene("all-along", "attack", FLOOD, rate=(0.05, 0.4), span_s=120)
def all_along(field):
    """The log begins and ends within the flood: two minutes, four hundred addresses, the front page."""
    field.people()
    field.onset = field.begin
    botnet(field, field.rng.uniform(100, 400), 400, lambda rng: ("/", {"status": rng.choice((200, 502, 504)), "took": rng.uniform(1, 30)}), 120)


@scene("interface", "attack", FLOOD, trade="panel", rate=(0.2, 1.5), forms=TIMED)
def interface(field):
    """The interface of an application flooded with reads by two hundred machines that pose as browsers; pages slow down."""
    field.people()
    botnet(field, field.rng.uniform(80, 300), 200, lambda rng: (f"/api/tickets?offset={rng.randrange(400)}", {"took": rng.uniform(0.2, 5), "status": rng.choice((200, 200, 429, 503))}), 120)


@scene("half-open-requests", "attack", "slow-http", rate=(0.1, 1), forms=("combined", "timed", "micro"))
def half_open_requests(field):
    """Requests begun and never finished; the server gives each up after twenty seconds."""
    field.people()
    rng, bots = field.rng, field.addresses(rng_count(field))
    for at in field.flow(rng.uniform(3, 20), field.onset, field.onset + 400):
        field.add(at, rng.choice(bots), "-", "-", method="-", status=408, size=0, took=20.0, upstream=None)
    form = {"timed": w.timed, "micro": w.apache_micro}.get(field.form, w.combined)
    rows = [r for r in field.rows if field.begin <= r.at < field.end]
    return w.write(field.work.path("access.log"), rows, lambda r: form(r).replace('"- - HTTP/1.1"', '"-"'))


def rng_count(field):
    return field.rng.choice((1, 12, 200))


@scene("products-one", "abuse", "scraping", trade="kiosk", rate=(0.1, 1))
def products_one(field):
    """One address takes product 1, 2, 3 … as fast as it is answered."""
    field.people()
    client, agent = public_address(field.rng), field.rng.choice(LIBRARIES + (w.browser(field.rng),))
    for i, at in enumerate(field.flow(field.rng.uniform(15, 60), field.onset, field.onset + 150)):
        field.add(at, client, f"/product/{i + 1}", agent, protocol="HTTP/1.1", status=404 if i > 2400 else 200)


@scene("products-five", "abuse", "scraping", trade="kiosk", rate=(0.1, 1))
def products_five(field):
    """Five addresses share the catalogue among them, in order, with browsers' names."""
    field.people()
    rng = field.rng
    workers = [(public_address(rng), w.browser(rng)) for _ in range(5)]
    for i, at in enumerate(field.flow(rng.uniform(20, 60), field.onset, field.onset + 100)):
        client, agent = workers[i % 5]
        field.add(at, client, f"/product/{i + 1}", agent)


@scene("orders-by-number", "abuse", "scraping,scan", trade="kiosk panel", rate=(0.1, 1))
def orders_by_number(field):
    """Somebody tries invoice after invoice by its number; most are refused."""
    field.people()
    client = public_address(field.rng)
    for i, at in enumerate(field.flow(field.rng.uniform(3, 15), field.onset, field.onset + 300)):
        field.add(at, client, f"/invoice/{88000 + i}.pdf", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36", status=field.rng.choice((403, 403, 404, 200)), size=300)


@scene("weak-spots", "abuse", "scan", rate=(0.05, 1))
def weak_spots(field):
    """A scanner tries thousands of paths at which something may be open, forty a second, with a browser's name."""
    field.people()
    rng, client = field.rng, public_address(field.rng)
    stems = ("admin", "backup", "old", "test", "dev", "api", "config", "db", "user", "files", "tmp", "private", "upload", "log")
    for at in field.flow(rng.uniform(8, 50), field.onset, field.onset + 150):
        path = f"/{rng.choice(stems)}{rng.choice(('', rng.choice(stems), '-' + rng.choice(stems), str(rng.randrange(9))))}{rng.choice(('', '/', '.php', '.zip', '.sql', '.bak', '/index.php', '.tar.gz'))}"
        field.add(at, client, path, w.BROWSERS[0].format(v=120, m=1), status=rng.choice((404, 404, 404, 404, 301, 403)), size=300, took=0.002)


@scene("spray", "abuse", "credential-abuse", trade="portal course panel", rate=(0.05, 0.5), span_s=3600)
def spray(field):
    """One password for many names: three hundred addresses, a try every two seconds in all."""
    field.people()
    bots = field.addresses(300)
    for at in field.flow(field.rng.uniform(0.4, 2), field.onset, field.end):
        field.add(at, field.rng.choice(bots), field.rng.choice(("/owa/auth.owa", "/login/index.php")), w.BROWSERS[0].format(v=119, m=1), method="POST", status=302 if field.trade.name == "portal" else 401,
                  size=0, took=0.2)


@scene("one-time-codes", "abuse,attack", "credential-abuse,http-flood,expensive-endpoint", trade="kiosk panel", rate=(0.1, 1))
def one_time_codes(field):
    """Codes by text message asked for again and again, from two hundred addresses, to earn by the messages."""
    field.people()
    botnet(field, field.rng.uniform(3, 8), 200, lambda rng: ("/account/otp/send", {"method": "POST", "took": 0.4}), 400)


@scene("homes", "abuse,attack", "scraping,http-flood", trade="wiki kiosk", rate=(0.2, 1))
def homes(field):
    """Three thousand home addresses read old versions and lists page by page, a handful each, with browsers' names."""
    field.people()
    botnet(field, field.rng.uniform(10, 30), 3000, lambda rng: (rng.choice(field.trade.pages) + f"?diff={rng.randrange(10**6)}&oldid={rng.randrange(10**6)}", {}), 500)


@scene("referrers", "normal,abuse", "normal,scan,scraping", trade="portal gazette wiki", rate=(0.1, 0.6))
def referrers(field):
    """Some machines ask for the front page now and then with the address of a shop as referrer."""
    field.people()
    for at in field.flow(0.15, field.begin, field.end):
        field.add(at, public_address(field.rng), "/", w.browser(field.rng), referrer=f"http://{field.rng.choice(('cheap-watches', 'best-seo', 'casino-win'))}.example/")


@scene("mirror", "abuse,demand,normal", "scraping,crawler,normal", trade="wiki gazette", rate=(0.1, 0.6), forms=PLAIN)
def mirror(field):
    """Somebody takes a copy of the site with a copier, pages and files, six a second."""
    field.people()
    rng, client, at = field.rng, local_address(field.rng), field.onset
    agent = rng.choice(("HTTrack 3.49-2; Mozilla/4.5 (compatible; HTTrack 3.0x; Windows 98)", "Wget/1.21.4", "Mozilla/5.0 (compatible; SiteSucker/5.3)"))
    for page in field.trade.pages:
        for path in [page] + field.trade.files(rng, page)[-2:]:
            at += rng.expovariate(6)
            field.add(at, client, path, agent, protocol="HTTP/1.1")
