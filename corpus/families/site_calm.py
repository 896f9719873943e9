"""Access logs of innocent events on sites of all kinds: crowds, own and known programs, rhythms, logs with gaps."""
from lib import weblog as w
from lib.packets import public_address
from families.places import FORMS, MONDAY, number_of, scene

PHONES = ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
          "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Mobile Safari/537.36")


def crowd(world, visits, moment, referrer=None, entry=None, agent=None, depth=None):
    """Whole visits at moments that `moment()` draws."""
    rng, site = world.rng, world.site
    for _ in range(visits):
        at = moment()
        if world.begin <= at < world.end:
            world.requests += site.visit(at, referrer=referrer, entry=entry and rng.choice(entry), agent=agent and agent(), depth=depth and depth())


def extra_visits(world, factor):
    """So many visits make the rest of the log `factor` times as busy."""
    return max(150, int(world.per_hour * (world.end - world.onset) / 3600 * factor))


@scene("sale", "demand", "flash-crowd", kinds=("shop",), per_s=(2, 150))
def sale(world):
    """A sale that regulars were told of: at the hour everybody comes, reads much and comes back."""
    world.background()
    rng = world.rng
    entries = world.site.pages[:6]
    crowd(world, extra_visits(world, 5), lambda: world.onset + rng.gammavariate(2, 0.12 * world.span), "-", entries)


@scene("press", "demand", "flash-crowd", kinds=("blog", "docs", "forum", "shop"), per_s=(0.5, 60))
def press(world):
    """A newspaper links one article: many readers of one page, most of whom leave again."""
    world.background()
    rng, entry = world.rng, [world.rng.choice(world.site.pages[5:40])]
    crowd(world, extra_visits(world, 6), lambda: world.onset + rng.expovariate(1 / (0.15 * world.span)), "https://www.faz.example/", entry,
          depth=lambda: 1 + (rng.random() < 0.2))


@scene("mailing", "demand", "flash-crowd,crawler", kinds=("shop", "blog", "forum"), per_s=(1, 80))
def mailing(world):
    """A letter to customers: every link carries its reader's token, mail filters look at the links first, then people click."""
    world.background()
    rng, page = world.rng, world.rng.choice(world.site.pages[1:9])
    for _ in range(extra_visits(world, 4)):
        token = f"utm_source=letter&utm_medium=email&mc_eid={rng.getrandbits(40):010x}"
        entry = page + ("&" if "?" in page else "?") + token
        at = world.onset + rng.gammavariate(1.5, 0.12 * world.span)
        if rng.random() < 0.35:
            filter_at = world.onset - 20 + rng.expovariate(1 / 60)
            world.add(filter_at, f"40.94.{rng.randrange(20, 40)}.{rng.randrange(250)}", entry, w.BROWSERS[0].format(v=109, m=1), size=14000)
        world.requests += world.site.visit(at, referrer="-", entry=entry, agent=rng.choice(PHONES) if rng.random() < 0.6 else None,
                                           depth=1 + int(rng.expovariate(1.2)))


@scene("queue", "demand,normal", "flash-crowd,normal,client-fault", kinds=("shop", "app"), per_s=(2, 30))
def queue(world):
    """Tickets go on sale at ten: thousands wait on a page whose script asks for their place every five seconds."""
    world.background()
    rng = world.rng
    for _ in range(rng.randrange(600, 1500)):
        at = world.onset - abs(rng.gauss(0, 200)) if rng.random() < 0.5 else world.onset + rng.expovariate(1 / 200)
        client, agent = public_address(rng), w.browser(rng)
        world.requests += world.site.load(at, client, agent, "/tickets/42", "-", set())
        gap, left = rng.uniform(4.5, 5.5), rng.uniform(30, 500)
        while left > 0:
            at, left = at + gap, left - gap
            world.add(at, client, "/tickets/42/queue?position", agent, size=61, took=0.003, referrer=f"https://{world.site.host}/tickets/42")


@scene("live-score", "demand,normal", "flash-crowd,normal,client-fault", kinds=("blog", "shop", "forum"), per_s=(3, 40), forms=("combined", "timed", "json", "main"))
def live_score(world):
    """A match: readers gather before it, and their pages ask for the score every ten seconds for an hour."""
    world.background()
    rng = world.rng
    for _ in range(rng.randrange(200, 600)):
        at = world.onset + rng.gauss(0, 0.05 * world.span)
        client, agent = public_address(rng), rng.choice(PHONES) if rng.random() < 0.6 else w.browser(rng)
        world.requests += world.site.load(at, client, agent, "/live/final", "https://www.google.com/", set())
        stay = at + rng.uniform(0.1, 0.5) * world.span
        while at < stay:
            at += 10 + rng.uniform(-0.3, 0.3)
            world.add(at, client, "/live/final/score.json", agent, size=240, took=0.002, status=rng.choice((200, 304)),
                      referrer=f"https://{world.site.host}/live/final")


@scene("fediverse", "demand,normal", "flash-crowd,crawler,normal", per_s=(0.3, 20))
def fediverse(world):
    """A link is posted in a federated network: each server fetches its preview within a minute, readers follow."""
    world.background()
    rng, page = world.rng, world.rng.choice(world.site.pages[:30])
    for i in range(rng.randrange(400, 1200)):
        at, client = world.onset + rng.expovariate(1 / 25), public_address(rng)
        agent = rng.choice((f"Mastodon/4.{rng.randrange(1, 4)}.{rng.randrange(9)} (http.rb/5.1.1; +https://social{i}.example/)",
                            f"http.rb/5.1.1 (Mastodon/4.2.{rng.randrange(9)}; +https://town{i}.example/)",
                            f"Akkoma 3.11.0; https://pl{i}.example <admin@pl{i}.example>", f"Misskey/2024.3.1 (https://mk{i}.example)"))
        for _ in range(rng.choice((1, 1, 2))):
            world.add(at + rng.random(), client, page, agent, size=14211, protocol="HTTP/1.1")
    crowd(world, 120, lambda: world.onset + rng.expovariate(1 / 400), "-", [page], depth=lambda: 1)


@scene("hotlink", "demand,normal", "flash-crowd,normal", per_s=(0.5, 20))
def hotlink(world):
    """A picture of ours is shown in a busy forum elsewhere: browsers fetch it, and nothing else."""
    world.background()
    rng = world.rng
    for at in world.flow(3 + 3 * world.per_s, world.onset, world.end):
        old = rng.random() < 0.2
        world.add(at, public_address(rng), "/media/1182.jpg", w.browser(rng), size=0 if old else 182331, took=0.001, upstream=None,
                  status=304 if old else 200, referrer="https://bigboard.example/thread/9911", protocol="HTTP/2.0")


@scene("cron-hour", "normal,demand", "normal,flash-crowd", per_s=(0.3, 15))
def cron_hour(world):
    """Some hundred scripts elsewhere fetch a calendar and a feed on every quarter of an hour."""
    world.background()
    rng = world.rng
    scripts = [(public_address(rng), rng.choice(("curl/7.88.1", "curl/8.5.0", "Wget/1.21.3", "python-requests/2.31.0", "PHP/8.1.2", "Google-Calendar-Importer"
                                                  )), rng.choice(("/calendar.ics", "/feed.xml", "/export/events.ics"))) for _ in range(rng.randrange(120, 500))]
    quarter = world.begin - world.begin % 900 + 900
    while quarter < world.end:
        for client, agent, path in scripts:
            world.add(quarter + min(40, rng.expovariate(1 / 2.5)), client, path, agent, size=30111, status=rng.choice((200, 200, 304)))
        quarter += 900


@scene("checks", "normal", "normal", per_s=(0.2, 1.5))
def checks(world):
    """Three balancers and an orchestrator check a small service several times a second: most of its log."""
    world.background()
    rng = world.rng
    for client, agent, gap in (("10.0.0.11", "ELB-HealthChecker/2.0", 0.7), ("10.0.0.12", "ELB-HealthChecker/2.0", 0.7), ("10.0.0.13", "kube-probe/1.28", 1),
                               ("10.0.0.14", "GoogleHC/1.0", 0.9)):
        at = world.begin + rng.random()
        while at < world.end:
            world.add(at, client, "/healthz", agent, size=2, took=0.001)
            at += gap


@scene("monitors", "normal", "normal", per_s=(0.2, 10))
def monitors(world):
    """A monitoring service loads three pages with a real browser from twelve places every minute."""
    world.background()
    rng, places = world.rng, world.addresses(12)
    at = world.begin
    while at < world.end:
        for client in places:
            agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 PingdomTMS/0.8.5"
            for page in world.site.pages[:3]:
                world.requests += world.site.load(at + rng.uniform(0, 20), client, agent, page, "-", set())
        at += 60


@scene("backup", "normal,demand", "normal,crawler", per_s=(0.3, 10), forms=("combined", "timed", "json", "vhost"))
def backup(world):
    """Our own archive program takes the site page by page at night, and says who it is."""
    world.background()
    rng, at = world.rng, world.onset
    for page in world.site.pages * 6:
        at += rng.expovariate(6)
        world.add(at, "198.51.100.23", page, "ExampleArchive/2.1 (+mailto:ops@example.org)", size=world.site.sizes[page])


def crawler(name, agents, label="demand,normal", causes="crawler,normal", per_s=(0.5, 30)):
    @scene(f"crawl-{name}", label, causes, per_s=per_s, forms=("combined", "timed", "json", "main", "vhost"), note="crawlers that say who they are")
    def crawl(world):
        world.background()
        rng = world.rng
        for agent, networks, rate in agents:
            hosts = [f"{network}.{rng.randrange(250)}" for network in networks for _ in range(rng.randrange(2, 20))]
            for at in world.flow(rate * rng.uniform(0.5, 2), world.onset, world.end):
                lost = rng.random() < 0.08
                page = rng.choice(world.site.pages) if rng.random() < 0.5 else f"/archive/{rng.randrange(90000)}"
                world.add(at, rng.choice(hosts), page, agent, status=404 if lost else 200, size=1532 if lost else 15000, protocol="HTTP/1.1")


crawler("google", [(w.GOOGLEBOT, ("66.249.64", "66.249.66", "66.249.79"), 12)])
crawler("several", [(w.GOOGLEBOT, ("66.249.66",), 3), (w.BINGBOT, ("157.55.39", "40.77.167", "52.167.144"), 3), (w.AHREFS, ("54.36.148", "54.36.149", "51.222.253"), 4),
                    ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", ("5.255.231", "213.180.203"), 2)])
crawler("ai", [(w.GPTBOT, ("20.171.206", "20.171.207"), 8),
               ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", ("18.97.14", "3.12.251"), 6),
               ("Mozilla/5.0 (compatible; Bytespider; spider-feedback@bytedance.com)", ("110.249.201", "111.225.148", "220.243.135"), 8),
               ("meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)", ("57.141.0", "57.141.2"), 7)],
        "demand,normal,abuse", "crawler,normal,scraping")


@scene("office", "normal,demand", "normal,flash-crowd", per_s=(0.5, 20))
def office(world):
    """A company behind one address begins its day: some hundred people, one browser version, the same start page."""
    world.background()
    rng = world.rng
    agents = [w.BROWSERS[5].format(v=v, m=1) for v in (126, 127)] + [w.BROWSERS[0].format(v=127, m=1)]
    for _ in range(rng.randrange(80, 300)):
        at = world.onset + abs(rng.gauss(0, 300))
        world.requests += world.site.visit(at, client="212.88.14.9", referrer="-", entry=world.site.pages[0], agent=rng.choice(agents))


@scene("class", "normal,demand", "normal,flash-crowd", per_s=(0.2, 4))
def school(world):
    """Thirty pupils behind one address open the same page at the teacher's word, all with the same machine."""
    world.background()
    rng = world.rng
    agent = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
    for start in (0, 700, 1500):
        page = rng.choice(world.site.pages[1:30])
        for _ in range(30):
            world.requests += world.site.visit(world.onset + start + rng.expovariate(1 / 12), client="141.20.6.1", referrer="-", entry=page, agent=agent,
                                               depth=rng.randrange(1, 6))


@scene("carrier", "normal", "normal", per_s=(3, 60))
def carrier(world):
    """Nearly all visitors come by mobile carriers: some dozen addresses, each with thousands behind it."""
    rng = world.rng
    world.background(factor=0.15)
    gates = [f"80.187.{rng.randrange(64, 128)}.{rng.randrange(250)}" for _ in range(40)]
    for at in world.flow(world.per_hour / 3600, world.begin, world.end):
        world.requests += world.site.visit(at, client=rng.choice(gates), agent=w.browser(rng) if rng.random() < 0.2 else rng.choice(PHONES))


@scene("partner", "normal,demand", "normal,crawler", per_s=(0.5, 20), kinds=("shop", "app"))
def partner(world):
    """A partner's nightly job writes orders and reads stock by our interface, from two addresses, with a key."""
    world.background()
    rng = world.rng
    for i, at in enumerate(world.flow(rng.uniform(8, 40), world.onset, world.onset + 0.3 * world.span)):
        client = rng.choice(("51.12.9.30", "51.12.9.31"))
        if i % 3:
            world.add(at, client, f"/api/v1/stock/{90000 + i}", "Apache-HttpClient/4.5.14 (Java/17.0.9)", size=310, user="acme")
        else:
            world.add(at, client, "/api/v1/orders", "Apache-HttpClient/4.5.14 (Java/17.0.9)", method="POST", status=201, size=95, user="acme")


@scene("webhooks", "normal,demand,fault", "normal,flash-crowd,client-fault", per_s=(0.3, 10), kinds=("shop", "app"))
def webhooks(world):
    """A payment service was down and delivers the events of an hour within minutes."""
    world.background()
    rng, hosts = world.rng, [f"3.18.12.{i}" for i in (63, 71, 90)] + [f"3.130.192.{i}" for i in (5, 231)]
    for at in world.flow(0.02 + 0.02 * world.per_s, world.begin, world.end):
        world.add(at, rng.choice(hosts), "/webhooks/payments", "Stripe/1.0 (+https://stripe.com/docs/webhooks)", method="POST", size=2)
    for at in world.flow(rng.uniform(15, 40), world.onset, world.onset + 180):
        world.add(at, rng.choice(hosts), "/webhooks/payments", "Stripe/1.0 (+https://stripe.com/docs/webhooks)", method="POST", size=2)


@scene("purge", "normal,demand", "normal,flash-crowd,crawler", per_s=(3, 60), forms=("combined", "timed", "main"))
def purge(world):
    """A site behind a delivery network: the origin sees its nodes only, and after a purge everything is fetched anew."""
    rng = world.rng
    nodes = [f"151.101.{i}.{rng.randrange(1, 250)}" for i in (1, 65, 129, 193) for _ in range(8)]
    world.background()
    for r in world.requests:
        r.client = rng.choice(nodes)
    usual = [r for r in world.requests if r.path in world.site.pages or rng.random() < 0.12]
    after = [w.Request(world.onset + rng.expovariate(1 / 90), rng.choice(nodes), path, w.browser(rng), size=21000, took=0.03, upstream=0.03, host=world.site.host)
             for path in set(r.path for r in world.requests) for _ in range(4)]
    world.requests = usual + after


@scene("rhythm", "normal", "normal", per_s=(0.2, 1.2), span_s=2 * 86400)
def rhythm(world):
    """Two days and nights."""
    world.begin = MONDAY + 2 * 86400
    world.end = world.begin + world.span
    world.background(curve=w.diurnal)


@scene("clock-change", "normal", "normal", per_s=(0.3, 3), span_s=6 * 3600, forms=("combined", "main", "timed"))
def clock_change(world):
    """Local time goes back an hour in the night: the log says two o'clock twice, with other offsets."""
    world.begin = MONDAY + 7 * 86400 - 2 * 3600
    world.end = world.begin + world.span
    world.background()
    change = world.begin + world.span / 2
    form = FORMS[world.form]

    def local(r):
        late = r.at >= change
        shifted = w.Request(r.at + (3600 if late else 7200), r.client, r.path, r.agent, r.method, r.status, r.size, r.referrer, r.took, r.upstream, r.host, r.protocol)
        return form(shifted).replace("+0000", "+0100" if late else "+0200", 1)
    rows = [r for r in world.requests if r.at < world.end]
    return w.write(world.work.path("access.log"), rows, local)


@scene("gap", "normal", "normal", per_s=(1, 30))
def gap(world):
    """Rotation went wrong: twenty minutes are not in the log; before and after everything is as ever."""
    world.background()
    hole = (world.onset, world.onset + min(1200, 0.25 * world.span))
    return world.write(keep=lambda r: not hole[0] <= r.at < hole[1])


@scene("new-site", "normal,demand", "normal,flash-crowd", per_s=(0.2, 3), forms=("combined", "main", "timed", "vhost"))
def new_site(world):
    """The first log of a site: the team tries it from its office, the certificate is fetched, scanners look at the new name, then it is announced."""
    rng = world.rng
    start = world.begin + 0.4 * world.span
    for _ in range(12):
        world.requests += world.site.visit(world.begin + rng.uniform(0, 0.4) * world.span, client="87.140.3.2", referrer="-")
    for at in world.flow(1 / 90, world.begin + 60, world.end):
        world.add(at, public_address(rng), rng.choice(("/.env", "/wp-login.php", "/.git/config", "/", "/robots.txt", "/owa/")), rng.choice(("-", "Mozilla/5.0", "curl/7.61")),
                  status=rng.choice((404, 404, 200)), size=153)
    for i in range(5):
        world.add(world.begin + 30 + i / 5, f"3.120.130.{i}", "/.well-known/acme-challenge/Xy81kPq", "Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://www.letsencrypt.org)", size=87)
    world.background(begin=start)


@scene("single-sign-on", "normal,demand", "normal,flash-crowd", per_s=(2, 30), kinds=("app", "docs"), forms=("combined", "timed", "apache", "main"))
def single_sign_on(world):
    """An intranet: every first request of a connection is refused with 401 and sent again with a ticket; all begin at nine."""
    world.background(curve=lambda at: 0.4 if at < world.onset else 1.3)
    rng, out = world.rng, []
    for r in world.requests:
        r.client = f"10.{20 + number_of(r.client) % 6}.{number_of(r.client) // 7 % 250}.{number_of(r.client) // 1801 % 250}"
        if rng.random() < 0.45 and r.status < 400:
            out.append(w.Request(r.at - 0.004, r.client, r.path, r.agent, r.method, 401, 381, r.referrer, 0.001, None, r.host, r.protocol))
            r.user = "EXAMPLE\\u" + str(number_of(r.client) % 9000)
        out.append(r)
    world.requests = out


@scene("television", "demand,normal", "flash-crowd,normal", per_s=(2, 60), kinds=("shop", "blog"))
def television(world):
    """A spot on television: within seconds thousands come, nearly all by phone, read a page or two and are gone."""
    world.background()
    rng = world.rng
    crowd(world, min(4000, extra_visits(world, 5)), lambda: world.onset + rng.expovariate(1 / 60), "-", world.site.pages[:1], lambda: rng.choice(PHONES),
          lambda: 1 + (rng.random() < 0.4))


@scene("segments", "normal,demand", "normal,flash-crowd", per_s=(1, 10), kinds=("blog", "app"))
def segments(world):
    """A live stream begins: players ask for a list and a piece every four seconds."""
    world.background()
    rng = world.rng
    for _ in range(rng.randrange(60, 200)):
        at, client, agent = world.onset + rng.expovariate(1 / 120), public_address(rng), rng.choice(PHONES) if rng.random() < 0.5 else w.browser(rng)
        number = rng.randrange(100, 140)
        stay = at + rng.uniform(120, 900)
        while at < stay:
            world.add(at, client, "/live/720p.m3u8", agent, size=811, took=0.001, referrer=f"https://{world.site.host}/live")
            world.add(at + 0.1, client, f"/live/720p/{number}.ts", agent, size=901000, took=rng.uniform(0.1, 1.5), referrer=f"https://{world.site.host}/live")
            at, number = at + 4, number + 1
