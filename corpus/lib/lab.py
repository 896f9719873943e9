"""Network namespaces for one case: clients and servers joined by one cable, and captures of it.

The client side owns whole public prefixes, so that a tool can bind to any address of them: thousands of
clients cost one route. Everything is gone when the `with` block ends, also after Ctrl-C.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import time

SERVICE = "203.0.113.10"
SERVICE_NET = "203.0.113.0/24"
SERVICE6 = "2001:db8:5::10"
SERVICE6_NET = "2001:db8:5::/64"
# Prefixes whose every address the client side answers for.
CLIENT_NETS = [f"{first}.0.0.0/8" for first in
               (5, 24, 31, 37, 46, 51, 62, 71, 77, 80, 81, 84, 87, 89, 91, 93, 98, 109, 121, 145, 178, 188, 201, 213)]
CLIENT6_NET = "2a02::/16"
# Where `ip netns exec` finds the files of /etc that a namespace has for itself.
RESOLVERS = pathlib.Path("/etc/netns")
WAN = pathlib.Path(__file__).resolve().parent.parent / "clients" / "wan.py"


class Lab:
    """`with Lab("name") as lab:`; `lab.cli(...)` and `lab.srv(...)` start programs on either side."""

    def __init__(self, name, mtu=1500, wan=None):
        """`wan`: share of packets lost on a way as long as the internet's; None: a cable without delay."""
        stem = f"cp{os.getpid()}{abs(hash(name)) % 1000:03d}"
        self.client_ns, self.server_ns = stem + "c", stem + "s"
        self.mtu, self.wan = mtu, wan
        self.device = "eth0" if wan is None else "wan0"
        self.processes = []
        # Tools leave files where they stand.
        self.cwd = "/"

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def lay_way(self, folder):
        """Puts the long way between the two sides; `folder` holds its sockets."""
        ends = ((self.client_ns, "c", "s", 12, "198.18.1.1"), (self.server_ns, "s", "c", 16, "198.18.1.2"))
        for ns, own, other, at, address in ends:
            self.spawn(ns, ["python3", WAN, "--own", folder / own, "--other", folder / other, "--client-at", at,
                            "--loss", self.wan, "--ready", folder / f"{own}.ready"])
            while not (folder / f"{own}.ready").exists():
                settle(0.05)
            run(["ip", "-n", ns, "-batch", "-"], input=f"addr add {address}/30 dev wan0\nlink set wan0 up\n"
                                                       "route replace default dev wan0\n")
            self._sysctl(ns, "net/ipv4/conf/wan0/rp_filter", 0)

    def __exit__(self, *_):
        for process in reversed(self.processes):
            stop(process)
        for ns in (self.client_ns, self.server_ns):
            listed = subprocess.run(["ip", "netns", "pids", ns], capture_output=True, text=True)
            for pid in listed.stdout.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            subprocess.run(["ip", "netns", "del", ns], capture_output=True)
            shutil.rmtree(RESOLVERS / ns, ignore_errors=True)

    def _build(self):
        for ns in (self.client_ns, self.server_ns):
            # Programs that look names up get a refusal at once, and no packet of theirs is in the way.
            (RESOLVERS / ns).mkdir(parents=True)
            (RESOLVERS / ns / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
            run(["ip", "netns", "add", ns])
        run(["ip", "link", "add", "eth0", "netns", self.client_ns, "type", "veth",
             "peer", "name", "eth0", "netns", self.server_ns])
        sides = ((self.client_ns, "198.18.0.1", "198.18.0.2", "2001:db8:f::1", "2001:db8:f::2"),
                 (self.server_ns, "198.18.0.2", "198.18.0.1", "2001:db8:f::2", "2001:db8:f::1"))
        for ns, own, other, own6, other6 in sides:
            script = [f"addr add {own}/30 dev eth0", f"addr add {own6}/64 dev eth0 nodad",
                      f"link set eth0 mtu {self.mtu} up", "link set lo up",
                      f"route add default via {other}", f"route add default via {other6}"]
            if ns == self.client_ns:
                script += [f"route add local {net} dev lo" for net in CLIENT_NETS]
                script.append(f"route add local {CLIENT6_NET} dev lo")
            else:
                script += [f"addr add {SERVICE}/32 dev lo", f"addr add {SERVICE6}/128 dev lo nodad",
                           f"route add local {SERVICE_NET} dev lo",
                           f"route add local {SERVICE6_NET} dev lo"]
            run(["ip", "-n", ns, "-batch", "-"], input="\n".join(script) + "\n")
            for key in ("all", "default", "eth0", "lo"):
                self._sysctl(ns, f"net/ipv4/conf/{key}/rp_filter", 0)
            self._sysctl(ns, "net/ipv4/icmp_ratelimit", 0)
            self._sysctl(ns, "net/ipv4/ip_local_port_range", "10000 65000")
            # Otherwise captures hold segments of 64 KiB that no network carries.
            run(["ip", "netns", "exec", ns, "ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off"])

    @staticmethod
    def _sysctl(ns, key, value):
        run(["ip", "netns", "exec", ns, "sh", "-c", f"echo '{value}' > /proc/sys/{key}"])

    def server_sysctl(self, key, value):
        self._sysctl(self.server_ns, key, value)

    def client_source(self, address):
        """Makes programs of the client side that bind to nothing use `address`."""
        way = ["via", "198.18.0.2"] if self.wan is None else ["dev", "wan0"]
        run(["ip", "-n", self.client_ns, "route", "replace", "default", *way, "src", address])

    def filter(self, rules):
        """Loads nftables rules (the body of an input chain) into the server side."""
        body = "\n".join(rules)
        text = f"table inet corpus {{\nchain input {{\ntype filter hook input priority 0;\n{body}\n}}\n}}\n"
        run(["ip", "netns", "exec", self.server_ns, "nft", "-f", "-"], input=text)

    def unfilter(self):
        run(["ip", "netns", "exec", self.server_ns, "nft", "flush", "ruleset"])

    def slow_cable(self, rate):
        """Limits the way to the clients, as a full uplink does; `rate` as `tc` writes it."""
        run(["ip", "netns", "exec", self.server_ns, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf",
             "rate", rate, "burst", "32k", "latency", "60ms"])

    def spawn(self, ns, command, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", self.cwd)
        process = subprocess.Popen(["ip", "netns", "exec", ns] + [str(word) for word in command],
                                   start_new_session=True, **options)
        self.processes.append(process)
        return process

    def srv(self, *command, **options):
        return self.spawn(self.server_ns, command, **options)

    def cli(self, *command, **options):
        return self.spawn(self.client_ns, command, **options)

    def attack(self, *command, seconds, **options):
        """Runs a client program and stops it after `seconds`."""
        process = self.cli(*command, **options)
        wait(process, seconds)

    def capture(self, path, expression="", snaplen=262144, device=None):
        """Starts a capture on the server's side of the cable; `stop` it."""
        command = ["tcpdump", "-Z", "root", "-i", device or self.device, "-s", str(snaplen), "-B", "16384", "-U", "-w", str(path)]
        process = self.srv(*command, *([expression] if expression else []), stderr=subprocess.PIPE)
        for line in process.stderr:
            if b"listening" in line:
                break
        return process


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def wait(process, seconds):
    """Waits until `process` ends, at most `seconds`; then ends it."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        stop(process)


def stop(process, patience=2):
    """Ends a process and its children: asks first, then forces."""
    if process.poll() is not None and not _group_alive(process.pid):
        return
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def _group_alive(group):
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False


def settle(seconds=0.3):
    """Lets servers begin to listen and captures drain."""
    time.sleep(seconds)
