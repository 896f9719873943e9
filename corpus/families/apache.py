"""A real Apache with its own log formats and its own answers to slow clients: most of these are held back."""
import pathlib

from lib import case, servers
from lib.lab import SERVICE
from lib.scene import Scene, client_address

CONFIG = """
ServerRoot {tmp}
PidFile {tmp}/apache.pid
ErrorLog {tmp}/error.log
Listen {address}:80
User www-data
Group www-data
ServerName www.example.org
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule reqtimeout_module /usr/lib/apache2/modules/mod_reqtimeout.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
TypesConfig /etc/mime.types
RequestReadTimeout header=5-8,minrate=500 body=5,minrate=500
Timeout 10
ServerLimit 4
ThreadsPerChild 50
MaxRequestWorkers 200
DocumentRoot {tmp}/site
DirectoryIndex index.html
<Directory {tmp}/site>
  Require all granted
</Directory>
ProxyPass /app/ http://127.0.0.1:8000/app/
LogFormat "{form}" chosen
CustomLog {tmp}/access.log chosen
"""
FORMS = {
    "combined": r'%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"', "common": r'%h %l %u %t \"%r\" %>s %b',
    "micro": r'%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\" %D', "vhost": r'%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"',
}


def apache(form, plan="0:15:0:200"):
    def prepare(scene):
        scene.tmp.chmod(0o755)
        servers.site(scene.tmp / "site", scene.work.rng)
        servers.app(scene.lab, plan=plan)
        # The template's braces are Apache's too, so words are replaced one by one.
        text = CONFIG.replace("{tmp}", str(scene.tmp)).replace("{address}", SERVICE).replace("{form}", FORMS[form])
        (scene.tmp / "apache.conf").write_text(text)
        pathlib.Path("/var/run/apache2").mkdir(exist_ok=True)
        scene.lab.srv("apache2", "-DFOREGROUND", "-f", scene.tmp / "apache.conf")
        servers.until(scene.lab, 80)
    return prepare


def own(style, *options):
    return ("python3", servers.CLIENTS / "http_attack.py", "--style", style, *options)


CLEAR = f"http://{SERVICE}"
# Name: class, causes, form of the log, command, seconds, backend's plan, held.
STORIES = {
    "calm": ("normal", "normal", "combined", None, 14, "0:15:0:200", False), "calm-vhost": ("normal", "normal", "vhost", None, 14, "0:15:0:200", True),
    "ab": ("attack", "http-flood", "common", ("ab", "-q", "-n", "9000", "-c", "40", CLEAR + "/page1.html"), 6, "0:15:0:200", True),
    "hulk": ("attack", "cache-busting,http-flood", "micro", own("hulk", "--workers", 50, "--rate", 300, "--sources", 12), 6, "0:15:0:200", True),
    "goldeneye": ("attack", "cache-busting,http-flood", "vhost", own("goldeneye", "--workers", 40, "--rate", 300), 6, "0:15:0:200", False),
    "botnet": ("attack", "http-flood", "combined", own("browserlike", "--workers", 90, "--rate", 250, "--sources", 2500), 6, "0:15:0:200", True),
    "slowloris": ("attack", "slow-http", "combined", own("slow-headers", "--workers", 250, "--seconds", 12), 14, "0:15:0:200", True),
    "slow-body": ("attack", "slow-http", "micro", own("slow-body", "--workers", 180, "--seconds", 12), 14, "0:15:0:200", False),
    "gobuster": ("abuse", "scan", "combined", ("gobuster", "dir", "-q", "-t", "6", "-u", CLEAR, "-w", "/usr/share/dirb/wordlists/common.txt"), 6, "0:15:0:200", True),
    "backend-slow": ("fault", "slow-backend", "micro", None, 18, "0:15:0:200,12:1200:0:200", True),
    "backend-errors": ("fault", "release-fault,slow-backend,misconfiguration", "combined", None, 18, "0:15:0:200,12:15:0.9:500", False),
}


def build(work, form, command, seconds, plan):
    with Scene(work, "", rate=6, prepare=apache(form, plan), visitor_options=("--app", 0.35)) as scene:
        scene.lab.client_source(client_address(work.rng))
        scene.quiet(8)
        if command:
            scene.attack(*command, seconds=seconds)
        else:
            scene.quiet(seconds)
        scene.quiet(3)
        scene.keep_log(scene.tmp / "access.log", "access.log")
    return ["access.log"]


for name, (label, causes, form, command, seconds, plan, held) in STORIES.items():
    case.add(f"apache-{name}", label, causes, lambda work, f=form, c=command, s=seconds, p=plan: build(work, f, c, s, p), held=held,
             note=f"a real Apache, {form}")
