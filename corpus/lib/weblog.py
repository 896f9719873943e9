"""Requests of a website as its visitors, robots and attackers make them, and access logs of them.

A `Site` says what pages cost; generators yield `Request`s; `write` sorts them and writes a log format.
"""
import gzip
import json
import math
import time

from lib.packets import public_address

DAY = 86400
BEGIN = 1_789_948_800  # midnight, UTC

BROWSERS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{m} Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{m} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.{m} Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-S91{m}B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{v}.0.0.0 Safari/537.36 Edg/{v}.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
]
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
BINGBOT = "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"
AHREFS = "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"
GPTBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)"


def browser(rng):
    text = rng.choices(BROWSERS, (34, 9, 12, 20, 14, 8, 3))[0]
    return text.format(v=rng.randrange(118, 132), m=rng.randrange(1, 7))


class Request:
    """One request; times in seconds since the epoch, `took` in seconds, `upstream` likewise or None."""
    __slots__ = ("at", "client", "method", "path", "status", "size", "referrer", "agent", "took", "upstream", "host",
                 "protocol", "user")

    def __init__(self, at, client, path, agent, method="GET", status=200, size=0, referrer="-", took=0.004,
                 upstream=None, host="www.example.org", protocol="HTTP/1.1", user="-"):
        self.at, self.client, self.method, self.path = at, client, method, path
        self.status, self.size, self.referrer, self.agent = status, size, referrer, agent
        self.took, self.upstream, self.host, self.protocol, self.user = took, upstream, host, protocol, user


class Site:
    """A site of articles, a catalogue, a search, a login and an API; `slow(at, path)` lets a case bend times."""

    def __init__(self, rng, pages=300, host="www.example.org"):
        self.rng, self.host = rng, host
        words = ("winter", "library", "guide", "open", "garden", "city", "music", "review", "report", "travel",
                 "history", "news", "children", "science", "summer", "opening", "concert", "archive", "map", "letter")
        self.pages = ["/"] + [f"/{rng.choice(('news', 'blog', 'catalog', 'events'))}/{rng.randrange(10, 9999)}-"
                              f"{rng.choice(words)}-{rng.choice(words)}" for _ in range(pages)]
        self.weights = [1 / (i + 1) ** 0.8 for i in range(len(self.pages))]
        self.sizes = {page: int(rng.lognormvariate(9.6, 0.6)) for page in self.pages}
        self.common = ["/static/css/main.3f2a.css", "/static/js/app.91bc.js", "/static/js/vendor.77aa.js",
                       "/static/img/logo.svg", "/static/fonts/inter.woff2", "/favicon.ico"]
        self.images = {page: [f"/media/{rng.randrange(1, 4000)}.{rng.choice(('jpg', 'webp', 'png'))}"
                              for _ in range(rng.randrange(0, 9))] for page in self.pages}
        self.asset_sizes = {}

    def page(self):
        return self.rng.choices(self.pages, self.weights)[0]

    def asset_size(self, path):
        return self.asset_sizes.setdefault(path, int(self.rng.lognormvariate(9.8, 1.0)))

    def load(self, at, client, agent, page, referrer, seen, protocol="HTTP/2.0"):
        """A page and what of its parts the browser has not seen yet."""
        rng = self.rng
        took = rng.lognormvariate(-3.1, 0.5)
        yield Request(at, client, page, agent, size=self.sizes.get(page, 9000), referrer=referrer, took=took,
                      upstream=took * 0.95, host=self.host, protocol=protocol)
        when = at + took + rng.uniform(0.05, 0.3)
        for part in self.common + self.images.get(page, []):
            if part in seen:
                continue
            seen.add(part)
            old = rng.random() < 0.06
            yield Request(when + rng.expovariate(4), client, part, agent, status=304 if old else 200,
                          size=0 if old else self.asset_size(part), referrer=f"https://{self.host}{page}",
                          took=rng.choice((0.0, 0.0, 0.0, 0.001, 0.002)), host=self.host, protocol=protocol)

    def visit(self, at, client=None, referrer=None, entry=None, agent=None, depth=None):
        """One visitor: some pages with pauses between."""
        rng = self.rng
        client = client or public_address(rng)
        agent = agent or browser(rng)
        protocol = "HTTP/1.1" if rng.random() < 0.15 else "HTTP/2.0"
        referrer = referrer if referrer is not None else rng.choices(
            ("-", "https://www.google.com/", "https://www.bing.com/", "https://duckduckgo.com/", "https://t.co/"),
            (40, 45, 5, 4, 6))[0]
        seen, page = set(), entry or self.page()
        if rng.random() < 0.4:
            seen.update(self.common)
        for _ in range(depth or min(12, 1 + int(rng.expovariate(0.6)))):
            yield from self.load(at, client, agent, page, referrer, seen, protocol)
            referrer = f"https://{self.host}{page}"
            at += rng.lognormvariate(3.0, 0.8)
            draw = rng.random()
            if draw < 0.06:
                term = "+".join(rng.choice(self.pages).split("-")[-2:]).strip("/") or "hours"
                took = rng.lognormvariate(-2, 0.4)
                yield Request(at, client, f"/search?q={term}", agent, size=rng.randrange(4000, 22000), referrer=referrer,
                              took=took, upstream=took, host=self.host, protocol=protocol)
            elif draw < 0.07:
                yield Request(at, client, page + "x", agent, status=404, size=1532, referrer=referrer, host=self.host,
                              protocol=protocol)
            page = self.page()

    def people(self, begin, end, per_hour, curve=None):
        """Visitors over a time, by the hour's curve (1: the average)."""
        at = begin
        while True:
            at += self.rng.expovariate(per_hour * 1.8 / 3600)
            if at >= end:
                return
            if self.rng.random() * 1.8 < (curve(at) if curve else 1):
                yield from self.visit(at)

    def robot(self, begin, end, agent, gap, addresses, missing=0.02, robots_txt=True):
        """A crawler that walks the site with `gap` seconds between requests."""
        rng, at = self.rng, begin
        if robots_txt:
            yield Request(at, addresses[0], "/robots.txt", agent, size=145, host=self.host)
        while at < end:
            at += rng.expovariate(1 / gap)
            page = rng.choice(self.pages)
            lost = rng.random() < missing
            took = rng.lognormvariate(-3.1, 0.5)
            yield Request(at, rng.choice(addresses), page + ("-old" if lost else ""), agent, status=404 if lost else 200,
                          size=1532 if lost else self.sizes[page], took=took, upstream=took, host=self.host)

    def noise(self, begin, end, per_hour=6):
        """What any site gets: lone probes, feed readers, an uptime check each minute."""
        rng = self.rng
        at = begin
        while at < end:
            yield Request(at, "185.62.190.4", "/health", "UptimeRobot/2.0; http://www.uptimerobot.com/", size=2, host=self.host)
            at += 60
        at = begin
        probes = ("/wp-login.php", "/.env", "/xmlrpc.php", "/.git/config", "/phpmyadmin/", "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
                  "/boaform/admin/formLogin", "/cgi-bin/luci")
        while True:
            at += rng.expovariate(per_hour / 3600)
            if at >= end:
                return
            if rng.random() < 0.5:
                yield Request(at, public_address(rng), rng.choice(probes), rng.choice(("-", "Mozilla/5.0", "Go-http-client/1.1")),
                              status=404, size=1532, host=self.host)
            else:
                yield Request(at, public_address(rng), "/feed.xml", "Feedly/1.0 (+http://www.feedly.com/fetcher.html)",
                              status=rng.choice((200, 304)), size=18221, host=self.host)

    def background(self, begin, end, per_hour=240, curve=None):
        yield from self.people(begin, end, per_hour, curve)
        yield from self.robot(begin, end, GOOGLEBOT, 45, [f"66.249.66.{i}" for i in (1, 7, 21, 194)])
        yield from self.robot(begin, end, BINGBOT, 140, ["157.55.39.8", "40.77.167.12"])
        yield from self.noise(begin, end)


def diurnal(at):
    """Share of the average at this time of day: least at 4, most at 16 hours."""
    return 1 + 0.75 * math.sin((at % DAY) / DAY * 2 * math.pi - 2.4)


def stamp(at):
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))


def common(r):
    size = r.size if r.size or r.status != 304 else "-"
    return f'{r.client} - {r.user} [{stamp(r.at)}] "{r.method} {r.path} {r.protocol}" {r.status} {size}'


def combined(r):
    return f'{r.client} - {r.user} [{stamp(r.at)}] "{r.method} {r.path} {r.protocol}" {r.status} {r.size} "{r.referrer}" "{r.agent}"'


def main_format(r):
    return combined(r) + ' "-"'


def timed(r):
    upstream = "-" if r.upstream is None else f"{r.upstream:.3f}"
    return f"{combined(r)} rt={r.took:.3f} urt={upstream}"


def vhost(r):
    return f"{r.host}:443 {combined(r)}"


def forwarded(r):
    """Behind a proxy: its address first, the client's in the last field."""
    text = combined(r).split(" ", 1)[1]
    return f'10.0.0.5 {text} "{r.client}"'


def behind_proxy(r):
    """A proxy that passes no address on."""
    return "10.0.0.5 " + combined(r).split(" ", 1)[1]


def apache_micro(r):
    # Nothing takes no time at all.
    return f"{combined(r)} {int(r.took * 1e6) + 70 + r.size % 391}"


def json_lines(r):
    return json.dumps({"time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(r.at)), "remote_addr": r.client,
                       "request_method": r.method, "request_uri": r.path, "server_protocol": r.protocol, "status": r.status,
                       "body_bytes_sent": r.size, "http_referer": r.referrer, "http_user_agent": r.agent,
                       "request_time": round(r.took, 3), "upstream_response_time": r.upstream and round(r.upstream, 3),
                       "host": r.host})


def caddy(r):
    return json.dumps({"level": "info", "ts": round(r.at, 6), "logger": "http.log.access.log0", "msg": "handled request",
                       "request": {"remote_ip": r.client, "remote_port": "50112", "client_ip": r.client, "proto": r.protocol,
                                   "method": r.method, "host": r.host, "uri": r.path,
                                   "headers": {"User-Agent": [r.agent], "Referer": [r.referrer]}},
                       "bytes_read": 0, "user_id": "", "duration": round(r.took, 6), "size": r.size, "status": r.status,
                       "resp_headers": {"Server": ["Caddy"]}})


def traefik(r, count=[0]):
    count[0] += 1
    return f'{combined(r)} {count[0]} "web@docker" "http://172.18.0.3:80" {int(r.took * 1000)}ms'


def w3c(r):
    path, _, query = r.path.partition("?")
    agent = r.agent.replace(" ", "+")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(r.at))
    return (f"{when} 10.0.0.4 {r.method} {path} {query or '-'} 443 - {r.client} {agent} {r.referrer} "
            f"{r.status} 0 0 {int(r.took * 1000)}")


W3C_HEAD = ("#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-09-21 00:00:00\n"
            "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) "
            "cs(Referer) sc-status sc-substatus sc-win32-status time-taken\n")


def write(path, requests, form=combined, head=""):
    """Writes a log as its server does: in the order in which requests ended."""
    opener = gzip.open if str(path).endswith(".gz") else open
    rows = sorted(requests, key=lambda r: int(r.at + r.took))
    with opener(path, "wt") as out:
        out.write(head)
        for r in rows:
            out.write(form(r) + "\n")
    return [path.name]
