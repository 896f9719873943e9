"""Real servers on the server's side of a lab: a website, its backend, a balancer, name servers."""
import pathlib
import random
import socket
import threading
import time

from lib.lab import SERVICE, SERVICE6, run, settle

CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "clients"

FORMATS = {
    "combined": "",
    "main": "log_format chosen '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
            "\"$http_referer\" \"$http_user_agent\" \"$http_x_forwarded_for\"';",
    "timed": "log_format chosen '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
             "\"$http_referer\" \"$http_user_agent\" rt=$request_time uct=$upstream_connect_time urt=$upstream_response_time';",
}

NGINX = """
daemon off; master_process on; worker_processes 2; pid {tmp}/nginx.pid; error_log {tmp}/error.log {error_level};
worker_rlimit_nofile 20000;
events {{ worker_connections 8000; }}
http {{
  types {{ text/html html; text/css css; application/javascript js; image/jpeg jpg; image/svg+xml svg; font/woff2 woff2; }}
  {log_format}
  access_log {tmp}/access.log {chosen};
  client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p; fastcgi_temp_path {tmp}/f; uwsgi_temp_path {tmp}/u; scgi_temp_path {tmp}/s;
  keepalive_timeout 65; sendfile on; {http}
  server {{
    listen {address}:80; listen [{address6}]:80; listen {address}:443 ssl http2; listen [{address6}]:443 ssl http2;
    server_name www.example.org; ssl_certificate {tmp}/cert.pem; ssl_certificate_key {tmp}/key.pem;
    root {tmp}/site; index index.html;
    {server}
    location /app/ {{ proxy_pass http://127.0.0.1:8000; proxy_read_timeout {read_timeout}; proxy_set_header Host $host; }}
  }}
}}
"""


def site(folder, rng, pages=40):
    """A static site: pages that name their parts, style sheets, scripts, pictures, one large file."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [f"{kind}/{i}.{ending}" for kind, ending, count in (("css", "css", 3), ("js", "js", 5), ("img", "jpg", 60))
             for i in range(count)]
    for part in parts:
        path = folder / part
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rng.randbytes(int(rng.lognormvariate(9.3, 0.9))))
    for i in range(pages):
        used = parts[:8] + rng.sample(parts[8:], rng.randrange(2, 14))
        tags = "".join(f'<link rel="stylesheet" href="/{p}">' if p.startswith("css") else f'<script src="/{p}"></script>'
                       if p.startswith("js") else f'<img src="/{p}" width="80">' for p in used)
        text = f"<!doctype html><title>Page {i}</title><body>{tags}<p>{'lorem ipsum ' * rng.randrange(200, 1500)}</body>"
        (folder / ("index.html" if i == 0 else f"page{i}.html")).write_text(text)
    (folder / "large.bin").write_bytes(rng.randbytes(4_000_000))


def certificate(tmp):
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
         "-subj", "/CN=www.example.org", "-keyout", f"{tmp}/key.pem", "-out", f"{tmp}/cert.pem"])


def nginx(lab, tmp, seed=1, form="combined", server="", http="", read_timeout="20s", error_level="warn"):
    """Starts nginx with the site; the access log is `tmp/access.log`."""
    tmp = pathlib.Path(tmp)
    tmp.chmod(0o755)
    site(tmp / "site", random.Random(seed))
    certificate(tmp)
    text = NGINX.format(tmp=tmp, log_format=FORMATS[form], chosen="combined" if form == "combined" else "chosen", http=http, server=server,
                        address=SERVICE, address6=SERVICE6, read_timeout=read_timeout, error_level=error_level)
    (tmp / "nginx.conf").write_text(text)
    process = lab.srv("nginx", "-c", tmp / "nginx.conf", "-p", tmp)
    until(lab, 80)
    return process


def app(lab, port=8000, address="127.0.0.1", **options):
    """Starts the dynamic backend, see `clients/app.py`."""
    words = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    return lab.srv("python3", CLIENTS / "app.py", "--address", address, "--port", port, *words)


def until(lab, port, address=SERVICE, patience=6.0):
    """Waits until something listens."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        listed = run(["ip", "netns", "exec", lab.server_ns, "ss", "-Hltn", f"sport = :{port}"])
        if listed.strip():
            return
        settle(0.1)
    raise RuntimeError(f"nothing listens on port {port} of {address}")


class Syslog:
    """A socket that a server logs to; lines are written as a syslog daemon writes them."""

    def __init__(self, path, out):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        pathlib.Path(path).chmod(0o777)
        self.out = open(out, "w")
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            try:
                text = self.socket.recv(65536).decode("utf-8", "replace")
            except OSError:
                return
            if not text:
                return
            # A daemon leaves the priority out: "<134>Nov 21 14:28:07 lb1 haproxy[12]: ...".
            self.out.write(text.split(">", 1)[-1].rstrip("\n") + "\n")

    def close(self):
        settle(0.3)
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(2)
        self.socket.close()
        self.out.close()
