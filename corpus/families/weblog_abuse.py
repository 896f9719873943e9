"""Access logs of hostile use that denies nobody anything: scans, guessing of passwords, scraping."""
from lib import case
from lib import weblog as w
from lib.packets import public_address
from lib.weblog import Request, Site

NOON = w.BEGIN + 12 * 3600

WORDS = ("admin", "backup", "old", "test", "api", "config", "db", "dump", "phpinfo", "shell", "upload", "uploads", "cgi-bin", "server-status",
         "wp-admin", "wp-content", "phpmyadmin", "manager", "console", "actuator", "login", "debug", "tmp", "private", "secret", "data", "sql", "user",
         "users", "install", "setup", "docs", "dev", "staging", "beta", "svn", "cvs", "hidden", "include", "lib", "scripts", "bin", "log", "logs")


def background(site, begin, end, per_hour):
    return list(site.background(begin, end, per_hour)) if per_hour else []


def dirb(work, per_hour, rate, agent, form, extensions=("", "/", ".php", ".bak", ".zip", ".txt", ".html", ".old")):
    """A brute force of paths: one client, mostly 404."""
    rng, site = work.rng, Site(work.rng)
    requests = background(site, NOON, NOON + 1800, per_hour)
    at = NOON + (600 if per_hour else 0)
    for round_number in range(4):
        for word in WORDS:
            for extension in extensions:
                at += rng.expovariate(rate)
                path = f"/{word}{round_number or ''}{extension}"
                status = rng.choices((404, 403, 301, 200), (93, 4, 2, 1))[0]
                requests.append(Request(at, "91.240.118.7", path, agent, status=status, size=rng.choice((153, 162, 1532)) if status != 200 else 3000,
                                        took=0.001))
    return w.write(work.path("access.log"), requests, form)


def nikto(work, per_hour, form):
    rng, site = work.rng, Site(work.rng)
    requests = background(site, NOON, NOON + 1800, per_hour)
    at = NOON + (600 if per_hour else 0)
    tests = ("/cgi-bin/test-cgi", "/../../../../etc/passwd", "/index.php?page=../../../../etc/passwd", "/?id=<script>alert('Vulnerable')</script>",
             "/admin.php", "/scripts/..%255c../winnt/system32/cmd.exe?/c+dir", "/%2e%2e/%2e%2e/boot.ini", "/webmail/blank.html", "/servlet/com.newatlanta",
             "/jsp-examples/", "/phpinfo.php?a=<script>", "/cfdocs/expeval/openfile.cfm", "/.htpasswd", "/oem_webstage/oem.conf")
    for i in range(1400):
        at += rng.expovariate(12)
        requests.append(Request(at, "91.240.118.7", rng.choice(tests) + (f"?{i}" if i % 3 == 0 else ""),
                                f"Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:{i:06d})", method=rng.choice(("GET",) * 12 + ("TRACE", "OPTIONS", "PUT")),
                                status=rng.choices((404, 400, 403, 405), (90, 4, 3, 3))[0], size=153, took=0.001))
    return w.write(work.path("access.log"), requests, form)


def sqlmap(work, per_hour, form, agent="sqlmap/1.7.2#stable (https://sqlmap.org)"):
    rng, site = work.rng, Site(work.rng)
    requests = background(site, NOON, NOON + 1800, per_hour)
    at = NOON + (600 if per_hour else 0)
    for i in range(900):
        at += rng.expovariate(6)
        n = rng.randrange(1000, 9999)
        payload = rng.choice((f"1%20AND%20{n}%3D{n}", f"1%27%20UNION%20ALL%20SELECT%20NULL%2CNULL%2C{n}--%20-", f"1%29%20AND%20SLEEP%285%29%23{n}",
                              f"1%27%20AND%20EXTRACTVALUE%28{n}%2CCONCAT%280x5c%2C0x7170%29%29--", f"1%20ORDER%20BY%20{n % 40}--%20"))
        took = 5.01 if "SLEEP" in payload and rng.random() < 0.2 else 0.02
        requests.append(Request(at, "91.240.118.7", f"/catalog/item.php?id={payload}", agent, status=rng.choice((200, 200, 500)), size=rng.randrange(2000, 5000),
                                took=took, upstream=took))
    return w.write(work.path("access.log"), requests, form)


def guessing(work, sources, seconds, rate, path, ok, failed, form, per_hour, agents=None, method="POST"):
    """Passwords tried on one form, or names and passwords from a leak, spread over `sources` addresses."""
    rng, site = work.rng, Site(work.rng)
    requests = background(site, NOON, NOON + seconds + 1200, per_hour)
    addresses = [public_address(rng) for _ in range(sources)]
    choice = {address: agents[i % len(agents)] if agents else w.browser(rng) for i, address in enumerate(addresses)}
    for _ in range(int(seconds * rate)):
        source = rng.choice(addresses)
        good = rng.random() < 0.004
        took = rng.uniform(0.08, 0.3)
        requests.append(Request(NOON + (600 if per_hour else 0) + rng.uniform(0, seconds), source, path, choice[source], method=method,
                                status=ok if good else failed, size=0 if good else rng.randrange(1800, 1900), took=took, upstream=took, protocol="HTTP/1.1",
                                referrer="-" if agents else f"https://{site.host}{path}"))
    return w.write(work.path("access.log"), requests, form)


def scraping(work, sources, rate, seconds, form, agent, pages=2500, start=600, sequential=True, per_hour=200):
    """A catalogue read item by item, without assets."""
    rng, site = work.rng, Site(work.rng, pages)
    requests = background(site, NOON, NOON + seconds + 1200, per_hour)
    addresses = [public_address(rng) for _ in range(sources)]
    for i in range(int(seconds * rate)):
        path = f"/catalog/item/{200000 + i}" if sequential else f"/catalog?page={i}&per_page=100"
        address = addresses[i % sources]
        took = rng.lognormvariate(-3, 0.4)
        requests.append(Request(NOON + (start if per_hour else 0) + i / rate + rng.uniform(0, 1 / rate), address, path,
                                agent or w.browser(rng), status=200 if rng.random() < 0.93 else 404, size=rng.randrange(6000, 16000), took=took, upstream=took))
    return w.write(work.path("access.log"), requests, form)


def credential(name, held, **options):
    case.add(f"abuse-login-{name}", "abuse", "credential-abuse", lambda work: guessing(work, **options), held=held,
             note=f"{options['sources']} addresses, {options['rate']}/s on {options['path']}")


credential("hydra-form", False, sources=1, seconds=90, rate=16, path="/login", ok=302, failed=200, form=w.combined, per_hour=200,
           agents=["Mozilla/5.0 (Hydra)"])
credential("hydra-basic-bare", False, sources=1, seconds=60, rate=40, path="/admin/", ok=200, failed=401, form=w.combined, per_hour=0,
           agents=["Mozilla/4.0 (Hydra)"], method="GET")
credential("wordpress", False, sources=4, seconds=900, rate=2, path="/wp-login.php", ok=302, failed=200, form=w.combined, per_hour=150,
           agents=["Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:62.0) Gecko/20100101 Firefox/62.0"])
credential("stuffing-spread", False, sources=900, seconds=1200, rate=3, path="/login", ok=302, failed=401, form=w.timed, per_hour=300)
credential("stuffing-api", True, sources=300, seconds=600, rate=7, path="/api/v1/session", ok=200, failed=401, form=w.json_lines, per_hour=300,
           agents=["okhttp/4.9.3"])
credential("medusa-bare", True, sources=2, seconds=120, rate=20, path="/login.php", ok=302, failed=200, form=w.combined, per_hour=0, agents=["-"])
credential("slow-guess", True, sources=1, seconds=5400, rate=0.5, path="/user/login", ok=303, failed=403, form=w.timed, per_hour=250,
           agents=["python-requests/2.28.1"])

SCANS = {
    "dirb": (dirb, (200, 60, "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", w.combined), False),
    "gobuster-bare": (dirb, (0, 250, "gobuster/3.5", w.combined), False),
    "ffuf": (dirb, (250, 300, "Fuzz Faster U Fool v1.1.0", w.timed), True),
    "slow-wordlist": (dirb, (200, 3, w.BROWSERS[0].format(v=120, m=1), w.timed), False),
    "wfuzz-vhost": (dirb, (200, 80, "Wfuzz/3.1.0", w.vhost), True),
    "nikto": (nikto, (200, w.combined), False), "nikto-bare": (nikto, (0, w.apache_micro), True),
    "sqlmap": (sqlmap, (200, w.combined), False), "sqlmap-browser": (sqlmap, (200, w.timed, w.BROWSERS[1].format(v=118, m=1)), True),
}
for name, (tool, parameters, held) in SCANS.items():
    case.add(f"abuse-scan-{name}", "abuse", "scan", lambda work, t=tool, p=parameters: t(work, *p), note="one client probes", held=held)

SCRAPES = {
    "fast": (dict(sources=1, rate=25, seconds=600, form=w.combined, agent="python-requests/2.31.0"), False),
    "scrapy": (dict(sources=1, rate=8, seconds=1800, form=w.timed, agent="Scrapy/2.11.0 (+https://scrapy.org)"), True),
    "slow": (dict(sources=1, rate=0.7, seconds=7200, form=w.combined, agent=w.BROWSERS[0].format(v=121, m=1)), True),
    "many": (dict(sources=120, rate=12, seconds=1500, form=w.timed, agent=None), False),
    "pages": (dict(sources=3, rate=10, seconds=900, form=w.combined, agent="Go-http-client/2.0", sequential=False), False),
    "many-json": (dict(sources=400, rate=20, seconds=900, form=w.json_lines, agent=None), True),
}
for name, (options, held) in SCRAPES.items():
    case.add(f"abuse-scrape-{name}", "abuse", "scraping", lambda work, o=options: scraping(work, **o), held=held,
             note=f"{options['rate']}/s from {options['sources']} addresses, no assets")
