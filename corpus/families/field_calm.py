"""Logs of services of many trades in which nothing is wrong, though much of it looks so: crowds, programs, nights."""
import math

from lib import weblog as w
from lib.field import PLAIN, SUNDAY, local_address, scene, six
from lib.packets import public_address

CALM, CROWD = "normal,demand", "normal,flash-crowd,crawler"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/468.0.0.31.108]"


@scene("exam", CALM, CROWD, trade="course", rate=(0.1, 0.6))
def exam(field):
    """Three hundred students begin a test at the same minute, half of them behind ten addresses of the campus; answers save themselves."""
    field.people()
    rng = field.rng
    for i in range(rng.randrange(150, 400)):
        client, agent = (f"141.30.7.{i % 10}" if i % 2 else local_address(rng)), w.browser(rng)
        at = field.onset + rng.gauss(0, 25)
        field.rows += field.trade.visit(at, client, agent, "/my/", "-", 2, 6)
        page = f"https://{field.trade.host}/mod/quiz/attempt.php?attempt={7000 + i}"
        field.add(at + 15, client, f"/mod/quiz/attempt.php?attempt={7000 + i}&cmid=812", agent, referrer=page)
        for step in range(12):
            field.add(at + 40 + 30 * step + rng.uniform(0, 4), client, "/mod/quiz/autosave.ajax.php", agent, method="POST", referrer=page, size=40)


@scene("map", "normal", "normal", rate=(0.02, 0.3), trade="portal")
def map_tiles(field):
    """A town's map: whoever moves it fetches dozens of tiles at once, and hardly a page."""
    field.people()
    rng = field.rng
    for at in field.flow(0.15 + field.rate, field.begin, field.end):
        client, agent = local_address(rng), w.browser(rng)
        for _ in range(rng.randrange(1, 9)):
            x, y, z = rng.randrange(8000), rng.randrange(8000), rng.randrange(12, 18)
            for i in range(rng.randrange(12, 40)):
                field.add(at + rng.uniform(0, 1.2), client, f"/tiles/{z}/{x + i % 6}/{y + i // 6}", agent, took=0.004, referrer=f"https://{field.trade.host}/stadtplan", size=11000)
            at += rng.expovariate(1 / 6)


@scene("podcast", CALM, CROWD, trade="gazette", rate=(0.1, 0.5))
def podcast(field):
    """A new episode: within minutes the programs of listeners take the feed and the sound in pieces."""
    field.people()
    rng = field.rng
    for i in range(rng.randrange(400, 1500)):
        agent = rng.choice(("AppleCoreMedia/1.0.0.21F90 (iPhone; U; CPU OS 17_5 like Mac OS X; de_de)", "Overcast/3.0 (+http://overcast.fm/; iOS podcast app)", "AntennaPod/3.4.0",
                            "Pocket Casts", "Spotify/8.9 iOS/17", "PodcastAddict/v5 (+https://podcastaddict.com/; Android podcast app)"))
        client, at = public_address(rng), field.onset + rng.expovariate(1 / 240)
        field.add(at, client, "/podcast/feed.xml", agent, size=88000, took=0.003)
        for piece in range(rng.randrange(1, 7)):
            field.add(at + 1 + piece * rng.uniform(0.2, 5), client, "/podcast/folge-211.mp3", agent, status=206, size=1_900_000, took=rng.uniform(0.3, 4))


@scene("packages", CALM, CROWD, trade="portal", rate=(0.02, 0.1), begin=w.BEGIN + 5.6 * 3600)
def packages(field):
    """A mirror of packages: machines wake at six and take lists and packages, thousands of them."""
    field.people()
    rng = field.rng
    for _ in range(rng.randrange(500, 1500)):
        client = public_address(rng)
        at = field.onset + abs(rng.gauss(0, 150))
        agent = rng.choice(("Debian APT-HTTP/1.3 (2.6.1)", "Debian APT-HTTP/1.3 (2.4.11) non-interactive"))
        for part in ("InRelease", "main/binary-amd64/Packages.xz", "main/i18n/Translation-en.xz"):
            field.add(at, client, f"/debian/dists/bookworm/{part}", agent, status=rng.choice((200, 304, 304)), took=0.002)
            at += 0.1
        for _ in range(rng.choice((0, 0, 1, 8, 30))):
            field.add(at, client, f"/debian/pool/main/l/lib{rng.randrange(3000)}/lib_{rng.randrange(9)}.deb", agent, size=211000, took=0.02)
            at += rng.uniform(0.01, 0.2)


@scene("meters", "normal,demand,fault", "normal,flash-crowd,client-fault,crawler", trade="panel", rate=(0.02, 0.1))
def meters(field):
    """Two thousand meters report each minute; after a cut of their carrier all come back at once with what they kept."""
    field.people()
    rng = field.rng
    gone, back = field.onset - 120, field.onset
    for i in range(rng.randrange(500, 1500)):
        client, at = public_address(rng), field.begin + rng.uniform(0, 60)
        while at < field.end:
            if not gone <= at < back:
                field.add(at, client, "/ingest/v2/readings", "MeterFW/4.11", method="POST", status=202, size=12, took=0.004)
            at += 60
        for kept in range(2):
            field.add(back + rng.expovariate(1 / 8) + kept, client, "/ingest/v2/readings", "MeterFW/4.11", method="POST", status=202, size=12, took=0.004)


@scene("webmail", "normal", "normal", trade="panel", rate=(0.05, 0.4), span_s=2400)
def webmail(field):
    """Mail in the browser: open windows ask for news every minute, the whole working day."""
    rng = field.rng
    field.people()
    for _ in range(rng.randrange(100, 700)):
        client, agent, at = local_address(rng), w.browser(rng), field.begin + rng.uniform(0, field.span)
        leaves = at + rng.expovariate(1 / 1800)
        field.rows += field.trade.visit(at, client, agent, "/", "-", 1)
        while at < min(leaves, field.end):
            at += 60
            field.add(at, client, "/?_task=mail&_action=refresh", agent, method="POST", referrer=f"https://{field.trade.host}/?_task=mail", size=380)


@scene("election", "demand", "flash-crowd", trade="gazette", rate=(0.3, 1.2))
def election(field):
    """Six o'clock on election day: ten times the readers within minutes, and the page asks for new figures every ten seconds."""
    field.people()
    rng = field.rng
    for _ in range(int(field.rate * 900)):
        at, client, agent = field.onset + abs(rng.gauss(0, 200)), local_address(rng), w.browser(rng)
        field.rows += field.trade.visit(at, client, agent, "/", rng.choice(("-", "-", "https://www.google.com/")), rng.choice((1, 1, 2)))
        for tick in range(rng.randrange(3, 40)):
            field.add(at + 10 * tick + rng.random(), client, "/live/ergebnis.json", agent, referrer=f"https://{field.trade.host}/", took=0.002, size=900)


@scene("checks-head", "normal", "normal", trade="portal kiosk wiki", rate=(0.02, 0.1), forms=PLAIN)
def checks_head(field):
    """Our monitoring system asks for the head of some pages from a dozen hosts, twelve times a second in all, all day."""
    field.people()
    rng = field.rng
    start = field.begin if rng.random() < 0.5 else field.onset
    agent = rng.choice(("Go-http-client/1.1", "curl/7.88.1", "check_http/v2.3.3 (monitoring-plugins 2.3.3)", "python-requests/2.31.0"))
    hosts = [f"10.40.{rng.randrange(4)}.{i}" for i in range(10, 22)] if rng.random() < 0.5 else [f"185.71.67.{i}" for i in range(10, 22)]
    at, i = start, 0
    while at < field.end:
        field.add(at, hosts[i % 12], field.trade.pages[i % 5], agent, method="HEAD", size=0, took=0.003)
        at, i = at + 1 / 12, i + 1


@scene("link-check", CALM + ",abuse", "normal,crawler,scraping", trade="wiki portal", rate=(0.05, 0.3))
def link_check(field):
    """A partner checks the links of its pages: heads of ours from one address, eight a second, with its name."""
    field.people()
    for at in field.flow(8, field.onset, field.onset + 300):
        field.add(at, "130.75.6.11", field.rng.choice(field.trade.pages), "LinkChecker/10.2 (+https://linkchecker.github.io/linkchecker/)", method="HEAD", size=0)


@scene("warm-up", CALM, "normal,crawler", trade="gazette kiosk portal", rate=(0.05, 0.5))
def warm_up(field):
    """After a deploy our own script fetches all pages once with curl, so that caches are warm."""
    field.people()
    rng, at = field.rng, field.onset
    client = rng.choice(("127.0.0.1", "10.0.3.7", "203.0.113.44"))
    for page in field.trade.pages:
        at += rng.uniform(0.02, 0.08)
        field.add(at, client, page, "curl/8.5.0")


@scene("night", "normal", "normal", trade="portal kiosk gazette", rate=(0.1, 0.8), span_s=10 * 3600, begin=w.BEGIN + 16 * 3600)
def night(field):
    """From the afternoon into the night: it gets less and less."""
    field.people(curve=lambda at: 1.4 / (1 + math.exp((at - field.begin - 6 * 3600) / 3600)) + 0.02)


@scene("quiet-night", "normal", "normal", trade="portal wiki", rate=(0.004, 0.02), span_s=8 * 3600, begin=w.BEGIN)
def quiet_night(field):
    """Hardly anybody, and every some minutes a scanner of the internet that tries one door."""
    field.people()
    for at in field.flow(1 / 400, field.begin, field.end):
        agent = field.rng.choice(("Mozilla/5.0 zgrab/0.x", "-", "Expanse, a Palo Alto Networks company, searches across the global IPv4 space", "CensysInspect/1.1"))
        field.add(at, public_address(field.rng), field.rng.choice(("/", "/login", "/.env", "/cgi-bin/", "/robots.txt")), agent, status=field.rng.choice((200, 404, 400)))


@scene("mail-scanners", CALM, CROWD, trade="kiosk portal", rate=(0.05, 0.4))
def mail_scanners(field):
    """A newsletter goes out: scanners of mail providers open every link first, each with its own token and a browser's name; people follow."""
    field.people()
    rng = field.rng
    for i in range(rng.randrange(600, 2500)):
        client = f"40.{rng.choice((92, 94, 107))}.{rng.randrange(256)}.{rng.randrange(1, 255)}" if rng.random() < 0.7 else f"104.47.{rng.randrange(64)}.{rng.randrange(255)}"
        agent = w.BROWSERS[0].format(v=rng.choice((109, 118)), m=1)
        field.add(field.onset + rng.expovariate(1 / 90), client, f"/sale?utm_source=mail&u={rng.getrandbits(64):016x}", agent, protocol="HTTP/1.1")
    for _ in range(rng.randrange(100, 400)):
        entry = field.trade.pages[2]
        field.rows += field.trade.visit(field.onset + rng.expovariate(1 / 400), entry=entry, referrer="-")


@scene("in-app", "demand", "flash-crowd", trade="gazette kiosk", rate=(0.1, 0.5))
def in_app(field):
    """A post goes round in a social network: its browser adds a different identifier to every link."""
    field.people()
    rng = field.rng
    for _ in range(rng.randrange(700, 2000)):
        page = field.trade.pages[17]
        for r in field.trade.visit(field.onset + rng.gammavariate(2, 150), agent=PHONE, entry=page, referrer="https://l.facebook.com/", pages=1):
            if r.path == page:
                r.path += f"?fbclid=IwAR{rng.getrandbits(120):x}"
            field.rows.append(r)


@scene("waiting-room", CALM, CROWD, trade="kiosk", rate=(0.2, 0.8))
def waiting_room(field):
    """Tickets go on sale: thousands wait on a page that loads itself again every fifteen seconds."""
    field.people()
    rng = field.rng
    for _ in range(rng.randrange(400, 1200)):
        at, client, agent = field.onset - rng.expovariate(1 / 120), local_address(rng), w.browser(rng)
        field.rows += field.trade.visit(at, client, agent, "/", "-", 1)
        for turn in range(rng.randrange(4, 40)):
            field.add(at + 15 * turn, client, "/queue?e=9", agent, referrer=f"https://{field.trade.host}/queue?e=9", took=0.001, size=1800)


@scene("work-begins", CALM, CROWD, trade="panel", rate=(0.4, 1.5), begin=w.BEGIN + 7.6 * 3600, span_s=3000)
def work_begins(field):
    """An application for offices: from eight on everybody opens it, and its pages call much."""
    field.people(curve=lambda at: 0.1 + 1.5 / (1 + math.exp(-(at - field.onset) / 180)))


@scene("gateway", "normal", "normal", trade="portal gazette", rate=(0.5, 2))
def gateway(field):
    """A balancer that hides all visitors behind its own two addresses."""
    field.people()
    for r in field.rows:
        r.client = f"10.0.0.{2 + sum(r.client.encode()) % 2}"


@scene("purge", CALM, CROWD, trade="gazette kiosk wiki", rate=(1, 3), span_s=900)
def purge(field):
    """Behind a delivery network: its nodes fetch what they lack; then all is purged and they fetch everything again."""
    rng = field.rng
    field.people()
    nodes = [f"104.{rng.randrange(16, 31)}.{rng.randrange(256)}.{rng.randrange(1, 255)}" for _ in range(rng.randrange(16, 60))]
    kept, rows = set(), []
    for r in sorted(field.rows, key=lambda r: r.at):
        r.client = nodes[sum(r.client.encode()) % len(nodes)]
        if r.at >= field.onset and len(kept) and not any(key[2] for key in kept):
            kept = {("purged", "", True)}
        key = (r.client, r.path, False)
        if key not in kept:
            kept.add(key)
            rows.append(r)
    everything = [r.path for r in rows]
    for at in field.flow(rng.uniform(30, 90), field.onset, field.onset + 120):
        field.rows.append(w.Request(at, rng.choice(nodes), rng.choice(everything), w.browser(rng), size=9000, took=0.03, upstream=0.03, host=field.trade.host))
    field.rows = rows + field.rows[-int(120 * 90):]


@scene("sync", CALM, "normal,crawler", trade="panel", rate=(0.02, 0.1))
def sync(field):
    """File synchronisation: a client that was away for a week asks for thousands of folders."""
    field.people()
    rng = field.rng
    agent = "Mozilla/5.0 (Windows) mirall/3.13.0stable-Win64 (build 20240516) (Nextcloud, windows-10.0.19045)"
    for at in field.flow(0.3, field.begin, field.end):
        field.add(at, local_address(rng), f"/remote.php/dav/files/u{rng.randrange(60)}/", agent, method="PROPFIND", status=207, user="u")
    client = local_address(rng)
    for i, at in enumerate(field.flow(20, field.onset, field.onset + 200)):
        field.add(at, client, f"/remote.php/dav/files/u7/Projekte/{i // 7}/{i}.docx", agent, method=rng.choice(("PROPFIND", "GET", "GET")), status=rng.choice((207, 200)), user="u7")


@scene("federation", CALM, CROWD, trade="gazette", rate=(0.02, 0.2))
def federation(field):
    """A federated account posts: some hundred servers deliver replies and likes to its inbox."""
    field.people()
    rng = field.rng
    servers = [(public_address(rng), f"http.rb/5.2.0 (Mastodon/4.3.{i % 5}; +https://m{i}.example/)") for i in range(400)]
    for at in field.flow(rng.uniform(8, 30), field.onset, field.onset + 300):
        client, agent = rng.choice(servers)
        field.add(at, client, "/users/zeitung/inbox", agent, method="POST", status=202, size=0, took=0.02)


@scene("six", "normal", "normal", trade="gazette portal", rate=(0.2, 1.5))
def only_six(field):
    """Visitors by IPv6 that change their address with every visit."""
    for at in field.flow(field.rate, field.begin, field.end):
        field.rows += field.trade.visit(at, client=six(field.rng))


@scene("three-days", "normal", "normal", trade="portal kiosk", rate=(0.01, 0.03), span_s=3 * 86400, begin=SUNDAY - 86400)
def three_days(field):
    """A weekend and a Monday of a small site."""
    field.people(curve=lambda at: (0.15 + 0.85 * max(0.0, math.sin((at % 86400) / 86400 * 2 * math.pi - 1.9))) * (1.0 if (at - SUNDAY) > 86400 else 0.5))


@scene("concatenated", "normal", "normal", trade="gazette portal", rate=(0.3, 1), forms=("combined", "vhost"))
def concatenated(field):
    """The logs of three servers put into one file, one after another."""
    field.people()
    parts = [[r for r in field.rows if sum(r.client.encode()) % 3 == i and r.at < field.end] for i in range(3)]
    path = field.work.path("all.log")
    with open(path, "w") as out:
        for part in parts:
            out.writelines(w.combined(r) + "\n" for r in sorted(part, key=lambda r: r.at))
    return [path.name]


@scene("stop-and-go", "normal", "normal", trade="portal gazette", rate=(0.3, 1.5))
def stop_and_go(field):
    """The log stops for a quarter of an hour, as a full disk does to it, and goes on as before."""
    field.people()
    hole = (field.onset, field.onset + 0.25 * field.span)
    field.rows = [r for r in field.rows if not hole[0] <= r.at < hole[1]]


@scene("readers", "demand,normal", "crawler,normal", trade="wiki gazette", rate=(0.1, 0.5))
def readers(field):
    """Crawlers of language models and of search engines, declared, several at once."""
    field.people()
    rng = field.rng
    crawlers = (("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)", "20.171.207"),
                ("Mozilla/5.0 (compatible; Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot)", "54.84.147"), ("PetalBot;+https://webmaster.petalsearch.com/site/petalbot", "114.119.134"))
    for at in field.flow(rng.uniform(6, 25), field.onset, field.end):
        agent, net = rng.choice(crawlers)
        field.add(at, f"{net}.{rng.randrange(40)}", rng.choice(field.trade.pages) + rng.choice(("", "?action=history", "?oldid=9")), agent, protocol="HTTP/1.1")
