"""Access logs of programs that mean well: monitors, probes, webhooks, jobs, applications, feeds. And their twins: floods that a
healthy site bears, sent under the same names.

Each kind comes in variants whose parameters are drawn at random; every other variant is held.
"""
import string

from lib import case
from lib import weblog as w
from lib.packets import public_address
from lib.weblog import Request, Site

NOON = w.BEGIN + 12 * 3600
VARIANTS = 4
FORMS = (w.combined, w.combined, w.timed, w.main_format, w.vhost, w.apache_micro, w.json_lines, w.caddy, w.traefik, w.forwarded)


def token(rng, low, high, letters=string.ascii_letters + string.digits):
    return "".join(rng.choice(letters) for _ in range(rng.randrange(low, high)))


def private(rng):
    return f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def steady(rng, begin, end, gap, jitter=0.05):
    at = begin + rng.uniform(0, gap)
    while at < end:
        yield at
        at += gap * rng.uniform(1 - jitter, 1 + jitter)


def random_times(rng, begin, end, rate):
    at = begin
    while (at := at + rng.expovariate(rate)) < end:
        yield at


def took(rng, middle):
    return middle * rng.lognormvariate(0, 0.3)


def kube_probe(rng, site, begin, end):
    """Liveness and readiness of every replica behind one shared log."""
    agent, cost = f"kube-probe/1.{rng.randrange(22, 32)}", rng.uniform(0.0005, 0.003)
    paths = rng.choice((("/healthz", "/readyz"), ("/livez", "/readyz"), ("/health",), ("/actuator/health/liveness", "/actuator/health/readiness")))
    for _ in range(rng.randrange(4, 60)):
        node, gap = private(rng), rng.choice((1, 2, 5, 10))
        for path in paths:
            for at in steady(rng, begin, end, gap):
                yield Request(at, node, path, agent, size=2, took=took(rng, cost), upstream=cost, protocol="HTTP/1.1")


def exporter(rng, site, begin, end):
    """Metrics collectors and black-box checks of several teams."""
    for _ in range(rng.randrange(2, 12)):
        source, gap = private(rng), rng.choice((1, 2, 5, 10, 15))
        agent = rng.choice((f"Prometheus/2.{rng.randrange(30, 55)}.0", "Blackbox Exporter/0.24.0", "Grafana Agent/v0.39", "Telegraf/1.28.5 Go/1.21.4",
                            "vm_promscrape", "check_http/v2.3.3 (nagios-plugins 2.3.3)", "Zabbix"))
        for at in steady(rng, begin, end, gap):
            yield Request(at, source, rng.choice(("/metrics",)), agent, size=rng.randrange(20000, 22000), took=took(rng, 0.02), upstream=0.02)


def uptime(rng, site, begin, end):
    """Watchers from all over the world, each on its own schedule."""
    for agent in rng.sample(("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
                             "StatusCake", "Better Uptime Bot Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Site24x7", "HetrixTools Uptime Monitoring Bot",
                             "Datadog/Synthetics", "NewRelicPinger/1.0"), 3):
        path, method = rng.choice(("/", "/health", "/status", "/login")), rng.choice(("GET", "HEAD"))
        for _ in range(rng.randrange(5, 40)):
            source = public_address(rng)
            for at in steady(rng, begin, end, rng.choice((10, 30, 60))):
                yield Request(at, source, path, agent, method=method, size=0 if method == "HEAD" else 5100, took=took(rng, 0.03), upstream=0.03)


def balancer_checks(rng, site, begin, end):
    agent = rng.choice(("ELB-HealthChecker/2.0", "ELB-HealthChecker/1.0", "GoogleHC/1.0", "-", "HAProxy/HealthCheck", "Envoy/HC", "Edge Health Probe"))
    path = rng.choice(("/", "/health", "/ping", "/up"))
    for _ in range(rng.randrange(2, 90)):
        source = private(rng)
        for at in steady(rng, begin, end, rng.choice((2, 5, 10, 30))):
            yield Request(at, source, path, agent, size=rng.choice((2, 15)), took=0.001, upstream=0.001)


def webhooks(rng, site, begin, end):
    """A supplier tells of each event; now and then of many at once."""
    agent, path, event = rng.choice((
        ("Stripe/1.0 (+https://stripe.com/docs/webhooks)", "/webhooks/stripe", 0), (f"GitHub-Hookshot/{token(rng, 7, 8, 'abcdef0123456789')}", "/hooks/github", 0),
        ("Shopify-Captain-Hook", "/webhooks/orders/create", 0), ("Slackbot 1.0 (+https://api.slack.com/robots)", "/slack/events", 0),
        ("TwilioProxy/1.1", "/voice/status", 0), ("Svix-Webhooks/1.24", "/api/hooks/delivery", 1)))
    sources = [public_address(rng) for _ in range(rng.randrange(1, 12))]
    cost, status = rng.uniform(0.01, 0.08), rng.choice((200, 200, 202, 204))
    for at in random_times(rng, begin, end, rng.uniform(0.5, 4)):
        yield Request(at, rng.choice(sources), path, agent, method="POST", status=status, size=2, took=took(rng, cost), upstream=cost)
    burst = begin + (end - begin) * rng.uniform(0.2, 0.6)
    for at in random_times(rng, burst, min(end, burst + rng.uniform(30, 400)), rng.uniform(10, 70)):
        yield Request(at, rng.choice(sources), path + (f"/{rng.randrange(10**6)}" if event else ""), agent, method="POST", status=status, size=2,
                      took=took(rng, cost), upstream=cost)


def partner_job(rng, site, begin, end):
    """A partner's program works through its list, by one address or some."""
    agent = rng.choice(("python-requests/2.31.0", "okhttp/4.12.0", "Java/17.0.9", "Apache-HttpClient/5.2.1 (Java/17)", "GuzzleHttp/7", "axios/1.6.2",
                        "Go-http-client/1.1", "acme-sync/3.2", "node-fetch", "Faraday v2.7.4", "curl/8.5.0"))
    path, method, cost = rng.choice((("/api/v1/orders", "POST", 0.05), ("/api/v2/items/{n}", "GET", 0.012), ("/api/stock?sku={n}", "GET", 0.008),
                                     ("/rest/products/{n}/price", "PUT", 0.03), ("/export/customers?page={n}&size=200", "GET", 0.06)))
    sources, rate, first = [public_address(rng) for _ in range(rng.choice((1, 1, 1, 3)))], rng.uniform(8, 90), rng.randrange(10**5)
    span = min(end - begin, rng.uniform(200, 900))
    start = begin + rng.uniform(0, end - begin - span)
    for i, at in enumerate(steady(rng, start, start + span, 1 / rate, 0.4)):
        yield Request(at, rng.choice(sources), path.format(n=first + i), agent, method=method, status=201 if method == "POST" else 200,
                      size=rng.randrange(300, 2600), took=took(rng, cost), upstream=cost, user="partner")


def mobile_polls(rng, site, begin, end):
    """Telephones of our customers ask for news, as long as their application is open."""
    agent, path = rng.choice((("okhttp/4.{m}.0", "/api/v1/feed"), ("ShopApp/5.{m} (iPhone; iOS 17.4; Scale/3.00)", "/api/v2/notifications"),
                              ("Dalvik/2.1.0 (Linux; U; Android 14; SM-G99{m} Build/UP1A)", "/mobile/sync"), ("MyBank/9.{m} CFNetwork/1474 Darwin/23.0.0", "/api/accounts/balance"),
                              ("Dart/3.{m} (dart:io)", "/v3/messages?since={n}")))
    rate, gap, cost = rng.uniform(8, 100), rng.choice((3, 5, 15, 30)), rng.uniform(0.003, 0.02)
    count = max(3, int(rate * gap))
    grows = rng.random() < 0.5
    for _ in range(count):
        client, own = public_address(rng), agent.format(m=rng.randrange(9))
        start = begin + ((end - begin) * rng.uniform(0, 0.7) if grows else 0)
        for at in steady(rng, start, min(end, start + rng.choice((60, 300, 4000))), gap):
            same = rng.random() < 0.8
            yield Request(at, client, path.format(n=int(at) // 60), own, status=304 if same else 200, size=0 if same else rng.randrange(200, 4000),
                          took=took(rng, cost), upstream=cost, protocol="HTTP/2.0")


def pipeline(rng, site, begin, end):
    """A build server tries an endpoint after each build."""
    agent, source = rng.choice(("curl/8.5.0", "python-requests/2.32.3", "PostmanRuntime/7.36.0", "k8s-smoke/1.2", "Go-http-client/2.0", "node")), public_address(rng)
    paths = rng.sample(("/api/health", "/api/v1/status", "/api/v1/items?limit=5", "/login", "/api/v1/version", "/"), rng.randrange(1, 4))
    start = begin + rng.uniform(0, 60)
    while start < end:
        for at in random_times(rng, start, min(end, start + rng.uniform(10, 120)), rng.uniform(3, 40)):
            yield Request(at, source, rng.choice(paths), agent, size=rng.randrange(100, 900), took=took(rng, 0.01), upstream=0.01)
        start += rng.uniform(150, 900)


def own_library(rng, site, begin, end):
    """Machines of our own that call an interface all day, steadily."""
    agent, path = rng.choice((("okhttp/4.9.3", "/internal/pricing"), ("python-requests/2.28.2", "/api/score"), ("Go-http-client/1.1", "/rpc/Session"),
                              ("reactor-netty/1.1.13", "/graphql"), ("Apache-HttpClient/4.5.13 (Java/11)", "/solr/select"), ("gRPC-Java/1.58", "/catalog.Items/Get")))
    sources, rate, cost = [private(rng) for _ in range(rng.randrange(1, 9))], rng.uniform(5, 100), rng.uniform(0.002, 0.03)
    for at in random_times(rng, begin, end, rate):
        yield Request(at, rng.choice(sources), path, agent, method=rng.choice(("GET", "POST")), size=rng.randrange(200, 900), took=took(rng, cost), upstream=cost)


def feed_readers(rng, site, begin, end):
    agents = ("Feedly/1.0 (+http://www.feedly.com/fetcher.html; 120 subscribers)", "FreshRSS/1.21.0 (Linux; https://freshrss.org)", "NetNewsWire (RSS Reader)",
              "Tiny Tiny RSS/21.11 (https://tt-rss.org/)", "Miniflux/2.0.51", "inoreader.com", "Liferea/1.13.5 (Linux; https://lzone.de/liferea/)")
    for _ in range(rng.randrange(300, 1500)):
        source, agent, gap = public_address(rng), rng.choice(agents), rng.choice((300, 900, 1800))
        offset = rng.choice((0, rng.uniform(0, gap)))
        for turn in range(int((end - begin) / gap) + 1):
            at = begin + offset + turn * gap + abs(rng.gauss(0, 8))
            if at < end:
                yield Request(at, source, rng.choice(("/feed.xml", "/feed.xml", "/comments/feed")), agent, status=rng.choice((304, 304, 304, 200)), took=0.001)


def beacons(rng, site, begin, end):
    """Pages of ours report what is done on them."""
    path, status = rng.choice((("/collect", 204), ("/rum/events", 202), ("/api/telemetry", 200), ("/matomo.php?action_name={t}&rand={n}&_id={t}", 204),
                               ("/pixel.gif?e={t}&t={n}", 200)))
    gap = rng.choice((2, 5, 10))
    for _ in range(int(rng.uniform(8, 90) * gap)):
        client, agent, start = public_address(rng), w.browser(rng), rng.uniform(begin - 200, end)
        for at in steady(rng, start, min(end, start + rng.expovariate(1 / 200)), gap, 0.3):
            if at > begin:
                yield Request(at, client, path.format(n=rng.randrange(10**6), t=token(rng, 8, 17, "0123456789abcdef")), agent, method="GET" if "?" in path else "POST",
                              status=status, referrer=f"https://{site.host}{site.page()}", took=took(rng, 0.002), upstream=0.002, protocol="HTTP/2.0")


def one_page_application(rng, site, begin, end):
    """A browser application: one document, then many calls of an interface."""
    calls = ("/api/me", "/api/projects", "/api/projects/{n}", "/api/tasks?project={n}", "/api/notifications", "/api/search?q=draft", "/graphql")
    for at in random_times(rng, begin - 100, end, rng.uniform(0.5, 3)):
        client, agent = public_address(rng), w.browser(rng)
        yield Request(at, client, "/app", agent, size=2100, took=0.002, protocol="HTTP/2.0")
        for part in site.common[:rng.randrange(1, 5)]:
            yield Request(at + rng.uniform(0.05, 0.4), client, part, agent, size=90000, took=0.001, referrer=f"https://{site.host}/app", protocol="HTTP/2.0")
        for _ in range(rng.randrange(1, 9)):
            at += rng.lognormvariate(1.2, 0.9)
            for _ in range(rng.randrange(1, 9)):
                path = rng.choice(calls)
                yield Request(at + rng.uniform(0, 0.3), client, path.format(n=rng.randrange(90)), agent, method="POST" if path == "/graphql" else "GET",
                              size=rng.randrange(100, 9000), took=took(rng, 0.03), upstream=0.03, referrer=f"https://{site.host}/app", protocol="HTTP/2.0")


def map_tiles(rng, site, begin, end):
    for at in random_times(rng, begin - 100, end, rng.uniform(0.3, 1.5)):
        client, agent, x, y, zoom = public_address(rng), w.browser(rng), rng.randrange(10**4), rng.randrange(10**4), rng.randrange(9, 17)
        for _ in range(rng.randrange(2, 12)):
            at += rng.lognormvariate(0.8, 0.6)
            x, y = x + rng.randrange(-3, 4), y + rng.randrange(-3, 4)
            for dx in range(5):
                for dy in range(3):
                    yield Request(at + rng.uniform(0, 0.5), client, f"/tiles/{zoom}/{x + dx}/{y + dy}.{rng.choice(('png', 'pbf'))}", agent, size=14000, took=took(rng, 0.004),
                                  referrer=f"https://{site.host}/map", protocol="HTTP/2.0")


def film_segments(rng, site, begin, end):
    """People watch a live film: a list and a piece every few seconds each."""
    gap, name = rng.choice((2, 4, 6)), token(rng, 6, 9)
    for _ in range(int(rng.uniform(10, 60) * gap / 2)):
        client, start = public_address(rng), rng.uniform(begin - 300, end)
        agent = rng.choice((w.browser(rng), "AppleCoreMedia/1.0.0.21E219 (iPhone; U; CPU OS 17_4 like Mac OS X; en_us)", "ExoPlayerDemo/2.19 (Linux; Android 13) ExoPlayerLib/2.19.1",
                            "VLC/3.0.20 LibVLC/3.0.20"))
        for at in steady(rng, start, min(end, start + rng.expovariate(1 / 600)), gap, 0.1):
            if at > begin:
                yield Request(at, client, f"/live/{name}/index.m3u8", agent, size=900, took=0.001, protocol="HTTP/2.0")
                yield Request(at + 0.1, client, f"/live/{name}/{int(at / gap)}.ts", agent, size=rng.randrange(400000, 2500000), took=took(rng, 0.2), protocol="HTTP/2.0")


def mail_campaign(rng, site, begin, end):
    """A letter to all customers: pictures with a name for each reader, links with a name for each click."""
    start, readers = begin + (end - begin) * rng.uniform(0.2, 0.4), rng.randrange(1500, 6000)
    proxies = [f"66.249.{rng.randrange(80, 95)}.{rng.randrange(1, 255)}" for _ in range(60)]
    google = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
    for _ in range(readers):
        at = start + rng.expovariate(1 / 500)
        if at >= end:
            continue
        person, own = token(rng, 20, 33), w.browser(rng)
        through = rng.random() < 0.5
        client = public_address(rng)
        yield Request(at, rng.choice(proxies) if through else client, f"/o/{person}.gif" if rng.random() < 0.5 else f"/open?u={person}", google if through else own, size=43, took=0.002,
                      upstream=0.002)
        if rng.random() < 0.15:
            at += rng.expovariate(1 / 20)
            yield Request(at, client, f"/r/{token(rng, 10, 24)}", own, status=302, took=0.004, upstream=0.004)
            yield from site.load(at + 0.1, client, own, f"{site.page()}?utm_source=mail&utm_campaign=n{rng.randrange(9)}&mc_eid={person[:10]}", "-", set())


def advertisement(rng, site, begin, end):
    """An advertisement runs: each click has a name of its own, and the visit is a whole one."""
    start, name = begin + (end - begin) * rng.uniform(0.25, 0.5), rng.choice(("gclid", "fbclid", "msclkid", "ttclid"))
    referrer = rng.choice(("https://www.google.com/", "https://l.facebook.com/", "android-app://com.zhiliaoapp.musically/", "-"))
    entry = rng.sample(site.pages, 3)
    for at in random_times(rng, start, end, rng.uniform(1, 6)):
        yield from site.visit(at, referrer=referrer, entry=f"{rng.choice(entry)}?{name}={token(rng, 40, 90, string.ascii_letters + string.digits + '-_')}",
                              depth=1 + int(rng.expovariate(1.2)))


def repositories(rng, site, begin, end):
    """Machines fetch packages, images, sources: libraries by name, at once, from wherever they build."""
    kinds = (("Debian APT-HTTP/1.3 (2.6.1)", ("/debian/dists/stable/InRelease", "/debian/pool/main/{t}/{t}_{n}_amd64.deb"), 200),
             ("pip/23.2.1 {{\"ci\":true}}", ("/simple/{t}/", "/packages/{t}-{n}-py3-none-any.whl"), 200),
             ("docker/24.0.7 go/go1.20.10 kernel/5.15 os/linux arch/amd64", ("/v2/", "/v2/app/{t}/manifests/latest", "/v2/app/{t}/blobs/sha256:{h}"), 401),
             ("git/2.43.0", ("/{t}.git/info/refs?service=git-upload-pack", "/{t}.git/git-upload-pack"), 401),
             ("npm/10.2.4 node/v20.11.0 linux x64", ("/{t}", "/{t}/-/{t}-{n}.tgz"), 200),
             ("Apache-Maven/3.9.6 (Java 17.0.9; Linux 5.15)", ("/maven2/org/{t}/{n}/{t}-{n}.pom", "/maven2/org/{t}/{n}/{t}-{n}.jar"), 404))
    agent, paths, first = rng.choice(kinds)
    for at in random_times(rng, begin, end, rng.uniform(0.05, 0.4)):
        client = public_address(rng)
        for turn in range(rng.randrange(5, 120)):
            path = rng.choice(paths).format(t=token(rng, 3, 9, string.ascii_lowercase), n=rng.randrange(99), h=token(rng, 64, 65, "0123456789abcdef"))
            at += rng.expovariate(12)
            refused = first != 200 and (turn == 0 or rng.random() < 0.2)
            yield Request(at, client, path, agent, method="POST" if path.endswith("upload-pack") else "GET", status=first if refused else 200,
                          size=160 if refused else rng.randrange(400, 900000), took=took(rng, 0.02), upstream=0.02)


def file_sync(rng, site, begin, end):
    """Programs on desks and telephones keep folders and calendars alike; each asks first without its password."""
    agents = ("Mozilla/5.0 (Windows) mirall/3.11.1stable (Nextcloud)", "Mozilla/5.0 (Android) Nextcloud-android/3.27.0", "DAVx5/4.3.12-ose (2023/12/20; dav4jvm; okhttp/4.12.0)",
              "iOS/17.4 (21E219) dataaccessd/1.0", "Evolution/3.50.2")
    for _ in range(rng.randrange(30, 150)):
        client, agent, person = public_address(rng), rng.choice(agents), token(rng, 4, 9, string.ascii_lowercase)
        for at in steady(rng, begin, end, rng.choice((30, 60, 300)), 0.2):
            yield Request(at, client, f"/remote.php/dav/files/{person}/", agent, method="PROPFIND", status=401, size=600, took=0.02)
            yield Request(at + 0.1, client, f"/remote.php/dav/files/{person}/", agent, method="PROPFIND", status=207, size=3000, took=took(rng, 0.06), upstream=0.06, user=person)
    client, person = public_address(rng), "anna"
    start = begin + (end - begin) * rng.uniform(0.3, 0.6)
    for i, at in enumerate(random_times(rng, start, min(end, start + 300), rng.uniform(5, 25))):
        yield Request(at, client, f"/remote.php/dav/files/{person}/photos/IMG_{4000 + i}.jpg", agents[0], method=rng.choice(("PUT", "GET")), status=rng.choice((200, 201)), size=9000,
                      took=took(rng, 0.2), upstream=0.2, user=person)


def devices(rng, site, begin, end):
    """Small devices report measurements, all of one make."""
    agent, path = rng.choice((("ESP8266HTTPClient", "/ingest"), ("ESP32HTTPClient", "/api/v1/telemetry"), ("Arduino", "/update?key={t}&field1={n}"), ("-", "/iot/report"),
                              ("Shelly/1.14", "/api/devices/{t}/state")))
    gap = rng.choice((5, 10, 30))
    for _ in range(int(rng.uniform(8, 80) * gap)):
        client, own = public_address(rng), token(rng, 12, 17, "0123456789ABCDEF")
        for at in steady(rng, begin, end, gap):
            yield Request(at, client, path.format(t=own, n=rng.randrange(400)), agent, method="GET" if "?" in path else "POST", status=rng.choice((200, 204)), size=2,
                          took=took(rng, 0.004), upstream=0.004)


def waiting_page(rng, site, begin, end):
    """A page asks every second whether a payment or an upload has come through."""
    path = rng.choice(("/api/payment/{t}/status", "/jobs/{t}", "/api/progress?id={t}", "/ajax/poll.php"))
    for at in random_times(rng, begin - 60, end, rng.uniform(0.2, 2)):
        client, agent, own = public_address(rng), w.browser(rng), token(rng, 16, 25)
        gap = rng.choice((0.5, 1, 2))
        for when in steady(rng, at, min(end, at + rng.uniform(5, 90)), gap):
            if when > begin:
                yield Request(when, client, path.format(t=own), agent, size=40, took=took(rng, 0.005), upstream=0.005, referrer=f"https://{site.host}/checkout", protocol="HTTP/2.0")


def sign_on(rng, site, begin, end):
    """Our applications renew what proves who they are."""
    path = rng.choice(("/oauth/token", "/connect/token", "/api/auth/login", "/auth/realms/main/protocol/openid-connect/token"))
    agent = rng.choice(("okhttp/4.12.0", "ExampleApp/7.1 (iOS 17.4)", "Dart/3.2 (dart:io)"))
    for at in random_times(rng, begin, end, rng.uniform(1, 12)):
        fails = rng.random() < 0.03
        yield Request(at, public_address(rng), path, agent, method="POST", status=401 if fails else 200, size=1400, took=took(rng, 0.06), upstream=0.06)


def office_monday(rng, site, begin, end):
    """A company signs in at eight, behind one address, and some mistype."""
    client = public_address(rng)
    for _ in range(rng.randrange(80, 400)):
        at, agent = begin + min(end - begin - 60, abs(rng.gauss((end - begin) * 0.4, 300))), w.browser(rng)
        yield Request(at, client, "/login", agent, size=4100, took=0.02, upstream=0.02, protocol="HTTP/2.0")
        seen = set()
        while rng.random() < 0.25:
            at += rng.uniform(4, 15)
            yield Request(at, client, "/login", agent, method="POST", status=401, size=4300, took=0.1, upstream=0.1, protocol="HTTP/2.0")
        yield Request(at + 5, client, "/login", agent, method="POST", status=302, took=0.1, upstream=0.1, protocol="HTTP/2.0")
        yield from site.load(at + 5.2, client, agent, site.page(), f"https://{site.host}/login", seen)
        yield from site.load(at + 40, client, agent, site.page(), f"https://{site.host}/", seen)


def reconnects(rng, site, begin, end):
    """Long connections end with a restart, and everybody comes back within seconds."""
    count, start = rng.randrange(200, 1500), begin + (end - begin) * rng.uniform(0.3, 0.6)
    for _ in range(count):
        client, agent = public_address(rng), w.browser(rng)
        at = start + rng.expovariate(1 / 4)
        yield Request(at, client, "/ws?v=3", agent, status=101, took=rng.uniform(60, 300), upstream=200.0)
        yield Request(at + 0.3, client, "/api/state", agent, size=3000, took=took(rng, 0.03), upstream=0.03, referrer=f"https://{site.host}/app", protocol="HTTP/2.0")


def cron_hour(rng, site, begin, end):
    """Installed copies of our software ask for updates at the full minute."""
    agent = rng.choice(("WordPress/6.4.2; https://site{n}.example", "MyAgent/2.{n} (linux)", "curl/7.88.1", "Wget/1.21.3"))
    path = rng.choice(("/api/update-check?v=1.2.{n}", "/version.txt", "/rules/latest.json", "/list.txt"))
    copies = [(public_address(rng), agent.format(n=rng.randrange(20))) for _ in range(rng.randrange(300, 2500))]
    for minute in range(0, int(end - begin), rng.choice((300, 600, 900))):
        for client, own in copies:
            at = begin + minute + abs(rng.gauss(0, rng.choice((1, 4))))
            if at < end:
                yield Request(at, client, path.format(n=rng.randrange(9)), own, status=rng.choice((200, 304)), size=420, took=0.001, upstream=0.001)


def previews(rng, site, begin, end):
    """A link spreads in chats: programs fetch its preview, then people come."""
    page, start = site.page(), begin + (end - begin) * rng.uniform(0.3, 0.5)
    bots = ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "WhatsApp/2.23.20.0", "TelegramBot (like TwitterBot)", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Twitterbot/1.0", "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)")
    for at in random_times(rng, start, min(end, start + 700), rng.uniform(1, 8)):
        yield Request(at, public_address(rng), page, rng.choice(bots), size=14000, took=took(rng, 0.04), upstream=0.04)
        if rng.random() < 0.6:
            yield from site.visit(at + 2, referrer="-", entry=page, depth=1)


def edge_cache(rng, site, begin, end):
    """A content network fetches what it has not stored: its own name, many pages, each now and then."""
    agent = rng.choice(("Amazon CloudFront", "Fastly/cache-check", "Akamai Edge", "BunnyCDN", "Varnish/7.3"))
    sources = [public_address(rng) for _ in range(rng.randrange(10, 80))]
    pages = site.pages + sum(site.images.values(), [])
    for at in random_times(rng, begin, end, rng.uniform(5, 60)):
        yield Request(at, rng.choice(sources), rng.choice(pages), agent, size=rng.randrange(2000, 90000), took=took(rng, 0.02), upstream=0.02)


CALM = {kind.__name__.replace("_", "-"): kind for kind in (
    kube_probe, exporter, uptime, balancer_checks, webhooks, partner_job, mobile_polls, pipeline, own_library, feed_readers, beacons, one_page_application, map_tiles,
    film_segments, mail_campaign, advertisement, repositories, file_sync, devices, waiting_page, sign_on, office_monday, reconnects, cron_hour, previews, edge_cache)}
# What else an innocent program may rightly be called.
ALSO = {"reconnects": ("fault,demand", "client-fault,flash-crowd"), "advertisement": ("demand", "flash-crowd"), "mail-campaign": ("demand", "flash-crowd,crawler"),
        "previews": ("demand", "flash-crowd,crawler"), "partner-job": ("demand", "crawler"), "edge-cache": ("demand", "crawler"), "cron-hour": ("demand", "flash-crowd"),
        "mobile-polls": ("demand", "flash-crowd"), "film-segments": ("demand", "flash-crowd"), "one-page-application": ("demand", "flash-crowd"),
        "pipeline": ("fault", "client-fault"), "feed-readers": ("demand", "crawler")}


def calm(work, kind, variant):
    rng, site = work.rng, Site(work.rng)
    span = rng.choice((600, 1200, 2400))
    begin, end = NOON, NOON + span
    requests = list(kind(rng, site, begin, end))
    # One variant holds nothing but the program; the others have people around it.
    if variant != 3:
        requests += site.background(begin, end, rng.choice((80, 200, 500, 1200)))
    form = rng.choice(FORMS)
    return w.write(work.path("access.log"), sorted((r for r in requests if begin <= r.at < end), key=lambda r: r.at)[:90_000], form)


def flood(agents, paths, rate, sources, method="GET", status=(200,), cost=0.004, size=300, rotating=False):
    """A flood that is answered as fast as ever: only its number, its origin and its monotony speak."""
    def attack(rng, site, begin, end):
        own = [public_address(rng) for _ in range(max(1, int(sources * rng.uniform(0.5, 2))))]
        names = {source: rng.choice(agents) for source in own}
        chosen = [path or site.page() for path in paths]
        for at in random_times(rng, begin, end, rate * rng.uniform(0.6, 1.8)):
            source = rng.choice(own)
            yield Request(at, source, rng.choice(chosen).format(t=token(rng, 5, 12)), rng.choice(agents) if rotating else names[source], method=method,
                          status=rng.choice(status), size=0 if 304 in status else size, took=took(rng, cost), upstream=cost)
    return attack


BROWSERS = [text.format(v=n, m=n % 6 + 1) for n in range(112, 130) for text in w.BROWSERS]
BORNE = {
    "requests-one": flood(["python-requests/2.31.0"], ["/"], 400, 1), "okhttp-botnet": flood(["okhttp/4.12.0"], ["/api/v1/feed"], 350, 400),
    "go-api": flood(["Go-http-client/1.1"], ["/api/v1/search?q=a"], 300, 40), "curl-many": flood(["curl/8.5.0", "curl/7.88.1"], [None], 250, 150),
    "false-monitor": flood(["Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"], ["/"], 300, 250),
    "false-crawler": flood([w.GOOGLEBOT], ["/search?q={t}"], 250, 200), "not-modified": flood(BROWSERS, ["/", None, None], 400, 300, status=(304,)),
    "one-asset": flood(BROWSERS[:3], ["/static/js/app.91bc.js"], 500, 30, size=90000), "webhook-spam": flood(["Stripe/1.0 (+https://stripe.com/docs/webhooks)"], ["/webhooks/stripe"], 300, 120, "POST"),
    "application-name": flood(["ShopApp/5.2 (iPhone; iOS 17.4; Scale/3.00)"], ["/api/v2/notifications"], 450, 900),
    "browsers-one-page": flood(BROWSERS, [None], 220, 1500), "post-login-page": flood(BROWSERS, ["/contact"], 150, 350, "POST"),
    "refused": flood(["python-httpx/0.27.0"], ["/"], 500, 25, status=(403, 429)), "rotating": flood(BROWSERS, [None, "/", None], 200, 60, rotating=True),
}
FLOOD_CAUSES = "http-flood,cache-busting,expensive-endpoint"


def borne(work, attack, variant):
    rng, site = work.rng, Site(work.rng)
    before, during, after = ((0, 40, 0), (600, 120, 200), (1500, 200, 600), (300, 60, 0))[variant]
    begin = NOON
    start, end = begin + before, begin + before + during + after
    requests = list(attack(rng, site, start, start + during))
    if before:
        requests += site.background(begin, end, rng.choice((80, 200, 500, 1200)))
    return w.write(work.path("access.log"), (r for r in requests if begin <= r.at < end), rng.choice(FORMS))


def register():
    for name, kind in CALM.items():
        labels, causes = ALSO.get(name, ("", ""))
        for variant in range(VARIANTS):
            case.add(f"program-{name}-{variant}", f"normal,{labels}".strip(","), f"normal,{causes}".strip(","), lambda work, k=kind, v=variant: calm(work, k, v),
                     note=(kind.__doc__ or name).split("\n")[0], held=variant % 2 == 1)
    for name, attack in BORNE.items():
        for variant in range(VARIANTS):
            case.add(f"borne-{name}-{variant}", "attack", FLOOD_CAUSES, lambda work, a=attack, v=variant: borne(work, a, v), note="a flood that the site bears",
                     held=variant % 2 == 1)


register()
