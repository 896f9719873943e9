"""One captured scene: a website with visitors, something that happens to it, and how the capture was taken."""
import gzip
import pathlib
import shutil
import tempfile

from lib import servers
from lib.lab import CLIENT_NETS, SERVICE_NET, SERVICE6_NET, Lab, run, settle, stop, wait

VISITORS = servers.CLIENTS / "visitors.py"


class Scene:
    """`with Scene(work, how) as scene: scene.quiet(3); scene.attack(...); scene.quiet(2)`, then `scene.files`.

    `how` is a set of words on the capture: `in` and `out` (one direction), `snap96`, `snap64`, `ng` (pcapng), `gz`,
    `any` (cooked headers), `alone` (no visitors), `tls` (visitors over TLS), `wan` (clients are as far as on the
    internet), `lossy` (so, and 2 % of packets are lost).
    """

    def __init__(self, work, how="", rate=4, prepare=None, visitor_options=()):
        self.work, self.how, self.rate = work, how.split(), rate
        self.prepare, self.visitor_options = prepare, visitor_options
        wan = 0.02 if "lossy" in self.how else 0.0 if "wan" in self.how else None
        self.lab = Lab(work.name, wan=wan)
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="corpus-"))
        self.lab.cwd = self.tmp
        self.files = []

    def __enter__(self):
        self.lab.__enter__()
        try:
            if self.lab.wan is not None:
                self.lab.lay_way(self.tmp)
            if self.prepare:
                self.prepare(self)
            else:
                servers.nginx(self.lab, self.tmp)
            self.tap = self.lab.capture(self.tmp / "raw.pcap", self._filter(), self._snaplen(), "any" if "any" in self.how else None)
            if "alone" not in self.how:
                self.visitors(*self.visitor_options)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                settle(0.3)
                stop(self.tap)
                self._keep()
        finally:
            self._close()

    def _close(self):
        self.lab.__exit__()
        shutil.rmtree(self.tmp, ignore_errors=True)

    def visitors(self, *options, seconds=60, rate=None):
        tls = ("--tls", "--port", "443") if "tls" in self.how else ()
        return self.lab.cli("python3", VISITORS, "--seconds", seconds, "--rate", rate or self.rate, "--seed", self.work.rng.randrange(10**6), *tls, *options)

    def quiet(self, seconds):
        settle(seconds)

    def attack(self, *command, seconds):
        self.lab.attack(*command, seconds=seconds)

    def together(self, commands, seconds):
        """Several programs at once, all ended after `seconds`."""
        running = [self.lab.cli(*command) for command in commands]
        settle(seconds)
        for process in running:
            wait(process, 0)

    def _filter(self):
        if "in" in self.how:
            return f"dst net {SERVICE_NET} or dst net {SERVICE6_NET}"
        if "out" in self.how:
            return f"src net {SERVICE_NET} or src net {SERVICE6_NET}"
        return ""

    def _snaplen(self):
        return next((int(word[4:]) for word in self.how if word.startswith("snap")), 262144)

    def _keep(self):
        raw, name = self.tmp / "raw.pcap", "capture.pcap"
        if "ng" in self.how:
            name = "capture.pcapng"
            run(["editcap", "-F", "pcapng", str(raw), str(self.tmp / name)])
            raw = self.tmp / name
        if "gz" in self.how:
            name += ".gz"
            with open(raw, "rb") as plain, gzip.open(self.work.path(name), "wb") as packed:
                shutil.copyfileobj(plain, packed)
        else:
            shutil.copy(raw, self.work.path(name))
        self.files.append(name)

    def keep_log(self, path, name):
        """Keeps a server's log as a file of the case."""
        shutil.copy(path, self.work.path(name))
        self.files.append(name)


def client_address(rng):
    """An address that the client side answers for."""
    net = rng.choice(CLIENT_NETS).split(".")[0]
    return f"{net}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
