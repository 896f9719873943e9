"""Access logs of trouble of our own on sites of all kinds: releases, databases, certificates, loops, applications that retry."""
from lib import weblog as w
from lib.packets import public_address
from families.places import TIMED, scene

IOS_APP = "Shop/5.3.0 (com.example.shop; build:812; iOS 17.5.1) Alamofire/5.8.1"
ANDROID_APP = "okhttp/4.11.0 ShopAndroid/5.3.0"


def is_work(r):
    """Whether a request is answered by the application, not from disk."""
    return not r.path.startswith(("/static", "/media", "/favicon", "/assets", "/wp-content", "/wp-includes", "/_static", "/styles", "/js"))


def bend(world, change, until=None):
    """Passes what comes after the onset through `change`, which may return several requests."""
    out = []
    for r in world.requests:
        if r.at < world.onset or (until and r.at >= until):
            out.append(r)
            continue
        made = change(r)
        out += made if isinstance(made, list) else [made]
    world.requests = out


def fail(r, status, size=812, took=0.02):
    r.status, r.size, r.took, r.upstream = status, size, took, took
    return r


@scene("release-errors", "fault", "release-fault,misconfiguration,slow-backend", per_s=(0.5, 150))
def release_errors(world):
    """A release breaks most pages for a quarter of an hour, then it is rolled back."""
    world.background()
    share, until = world.rng.uniform(0.5, 1), world.onset + min(900, 0.3 * world.span)
    bend(world, lambda r: fail(r, 500) if is_work(r) and r.status < 400 and world.rng.random() < share else r, until)


@scene("release-path", "fault", "release-fault,misconfiguration,slow-backend", per_s=(2, 150))
def release_path(world):
    """A release breaks one part of the site; the others are as ever."""
    world.background()
    part = "/" + world.site.pages[5].split("/")[1].split("-")[0][:6]
    bend(world, lambda r: fail(r, 500) if r.path.startswith(part) and r.status < 400 and is_work(r) else r)


@scene("database-slow", "fault", "slow-backend", per_s=(0.5, 120), forms=TIMED)
def database_slow(world):
    """The database takes twenty times as long, and gives up in part: 504."""
    world.background()
    rng = world.rng

    def wait(r):
        if is_work(r):
            r.took = r.upstream = min(60.0, r.took * rng.uniform(8, 60))
            if rng.random() < 0.15:
                r.took, r.upstream, r.status, r.size = 60.0, 60.0, 504, 167
        return r
    bend(world, wait)


@scene("database-untimed", "fault", "slow-backend,load-balancer-fault,release-fault,misconfiguration", per_s=(1, 120), forms=("combined", "vhost", "main"))
def database_untimed(world):
    """The database hangs and the proxy answers 504 to a third; the log has no times."""
    world.background()
    bend(world, lambda r: fail(r, 504, 167, 60.0) if is_work(r) and world.rng.random() < 0.35 else r)


@scene("upstream-dead", "fault", "load-balancer-fault,release-fault,misconfiguration,slow-backend", per_s=(0.5, 150))
def upstream_dead(world):
    """The application is down for ten minutes: the proxy answers 502 at once, files are served as ever."""
    world.background()

    def dead(r):
        if is_work(r):
            r.status, r.size, r.took, r.upstream = 502, 157, 0.0, None
        return r
    bend(world, dead, world.onset + min(600, 0.3 * world.span))


@scene("redirect-loop", "fault", "misconfiguration,client-fault,release-fault", per_s=(1, 60))
def redirect_loop(world):
    """A balancer that forwards plain HTTP in front of an application that wants HTTPS: every page redirects to itself, twenty times per browser."""
    world.background()
    rng = world.rng

    def loop(r):
        if not is_work(r) or r.agent.startswith("Uptime"):
            return [] if r.referrer.endswith(r.path) or not is_work(r) and rng.random() < 0.9 else r
        return [w.Request(r.at + 0.06 * i, r.client, r.path, r.agent, r.method, 301, 162, r.referrer, 0.001, 0.001, r.host, r.protocol)
                for i in range(20 if "Mozilla" in r.agent else 1)]
    bend(world, loop)


@scene("login-loop", "fault", "misconfiguration,client-fault,release-fault", per_s=(1, 40), kinds=("app", "forum"))
def login_loop(world):
    """Sessions are lost: the application sends its users to the log-in, which sends them back."""
    world.background()
    rng = world.rng

    def loop(r):
        if not is_work(r) or "Mozilla" not in r.agent or "bot" in r.agent:
            return r
        out = []
        for i in range(rng.randrange(4, 18)):
            path = r.path if i % 2 == 0 else "/login?next=" + r.path
            out.append(w.Request(r.at + 0.15 * i, r.client, path, r.agent, "GET", 302, 0, r.referrer, 0.01, 0.01, r.host, r.protocol))
        return out
    bend(world, loop)


@scene("certificate", "fault", "network-fault,misconfiguration,load-balancer-fault,release-fault", per_s=(3, 100))
def certificate(world):
    """The certificate has run out: browsers do not come any more, monitors and some programs still do."""
    world.background()
    bend(world, lambda r: r if "Mozilla/5.0 (" not in r.agent or "bot" in r.agent or world.rng.random() < 0.03 else [])


@scene("poll-storm", "fault,demand", "client-fault,flash-crowd", per_s=(2, 40), kinds=("shop", "app"), forms=("combined", "timed", "json", "main", "traefik"))
def poll_storm(world):
    """A new version of our phone application asks every two seconds, not every five minutes; it spreads as phones update."""
    rng = world.rng
    world.background()
    for _ in range(400):
        client, agent = public_address(rng), IOS_APP.replace("5.3.0", "5.2.1")
        at = world.begin + rng.uniform(0, 300)
        while at < world.end:
            world.add(at, client, "/api/v1/messages/unread", agent, size=44, took=0.004)
            at += 300
    for _ in range(rng.randrange(80, 250)):
        client = public_address(rng)
        at = world.onset + rng.expovariate(3 / (world.end - world.onset))
        while at < world.end:
            world.add(at, client, "/api/v1/messages/unread", IOS_APP, size=44, took=0.004)
            at += rng.uniform(1.9, 4)


@scene("retry-storm", "fault", "client-fault,slow-backend,release-fault", per_s=(2, 40), kinds=("shop", "app"))
def retry_storm(world):
    """The log-in service answers 503; our application asks again at once, and again."""
    rng = world.rng
    world.background()
    phones = [(public_address(rng), rng.choice((IOS_APP, ANDROID_APP))) for _ in range(600)]
    for at in world.flow(2 + 0.3 * world.per_s, world.begin, world.end):
        client, agent = rng.choice(phones)
        if world.onset <= at < world.onset + 600:
            for i in range(rng.randrange(3, 14)):
                world.add(at + 0.4 * i, client, "/api/v1/token", agent, method="POST", status=503, size=90, took=0.002)
        else:
            world.add(at, client, "/api/v1/token", agent, method="POST", size=420)


@scene("network-slow", "fault", "network-fault", per_s=(3, 100), forms=("timed", "apache", "json", "traefik"))
def network_slow(world):
    """The way to the world is bad: everything takes long to deliver, files too, and many give up."""
    world.background()
    rng = world.rng

    def lossy(r):
        r.took = r.took * 3 + rng.uniform(0.3, 6)
        if rng.random() < 0.25:
            r.status, r.size = 499, 0
        return r
    bend(world, lossy)


@scene("permissions", "fault", "misconfiguration,release-fault", per_s=(2, 120))
def permissions(world):
    """After a change of the server's configuration all pictures are forbidden."""
    world.background()

    def deny(r):
        if r.path.startswith(("/media", "/wp-content", "/styles")):
            r.status, r.size, r.took, r.upstream = 403, 153, 0.0, None
        return r
    bend(world, deny)


@scene("disk-full", "fault", "release-fault,misconfiguration,slow-backend", per_s=(1, 60), kinds=("shop", "forum", "app"))
def disk_full(world):
    """The disk is full: what writes fails with 500, what reads goes on."""
    world.background()
    rng, site = world.rng, world.site
    for at in world.flow(0.15 * world.per_s, world.begin, world.end):
        world.add(at, public_address(rng), rng.choice(("/cart/add", "/comment", "/api/v2/tasks")), w.browser(rng), method="POST", size=310,
                  referrer=f"https://{site.host}/")
    bend(world, lambda r: fail(r, 500) if r.method == "POST" else r)


@scene("short-cut", "fault", "release-fault,load-balancer-fault,misconfiguration,slow-backend,network-fault", per_s=(1, 6))
def short_cut(world):
    """A restart that takes four minutes on a small site: all pages 503, then everything is as before."""
    world.background()
    bend(world, lambda r: fail(r, 503, 190, 0.0) if is_work(r) else r, world.onset + 240)
