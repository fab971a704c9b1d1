"""What a reader of a recipe has already: the app. APPS has it for each command that a recipe may have."""

import ftplib
import http.client
import os
import re
import threading

import recipes
from asking import Talk, http as get
from behind import ready_workers, wait_until
from lib.paths import APPS as PROGRAMS
from lib.paths import BUILD, ROOT
from row import NPM

HERE = os.path.dirname(os.path.abspath(__file__))


class App:
    """
    port    that it listens on
    ask     a Talk; None: it knows the load client, "pid=PID id=ID"
    files   {name: text} in the directory of the service
    setup   for sh -e, there; what the text of the recipe tells its reader to do
    needs   a program
    check   what more must be right, before and after the reload: function of the broker and the published port
    """

    def __init__(self, port, ask=None, files=None, setup="", needs="sh", check=None):
        self.port, self.ask, self.files, self.setup = port, ask, files or {}, setup
        self.needs, self.check = needs, check


def one_scheduler(broker, port):
    """One of the present generation."""
    generation = broker.events("worker-ready")[-1]["generation"]
    said = [e["text"] for e in broker.events("output") if "of generation %d" % generation in e["text"]]
    assert len(said) == 2 and len([text for text in said if "runs in" in text]) == 1, said


def both_have_warned(broker, port):
    """CherryPy looks for itself on its port, for five seconds."""
    def warned():
        return len([e for e in broker.log.find(["output"]) if "Unable to verify that the server is bound" in e["text"]]) >= 2

    wait_until(warned, 30, "the warnings")


def polling_sessions(broker, port):
    """Each client address has sessions of long polling, with a connection for each request."""
    before = ready_workers(broker)

    def ask(address, method, more="", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(address, 0))
        connection.request(method, "/socket.io/?EIO=4&transport=polling" + more, body, {"Connection": "close"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status == 200, (address, answer.status, text)
        return text

    for n in range(2, 18):
        address = "127.0.0.%d" % n
        session = "&sid=" + ask(address, "GET").split('"sid":"')[1].split('"')[0]
        assert ask(address, "POST", session, "40") == "ok"
        assert ask(address, "GET", session).startswith("40")
        assert ask(address, "POST", session, '42["say","hello"]') == "ok"
        assert ask(address, "GET", session) == '42["said","hello"]'
    took = {pid: n - before.get(pid, 0) for pid, n in ready_workers(broker).items()}
    assert len(took) == 2 and min(took.values()) >= 5, "all clients went to one worker: %s" % took


def passive_transfers(broker, port):
    before, failed = ready_workers(broker), []

    def client():
        try:
            for _ in range(5):
                with ftplib.FTP() as ftp:
                    ftp.connect("127.0.0.1", port, 10)
                    ftp.login()
                    got = []
                    ftp.retrbinary("RETR file", got.append)
                    assert b"".join(got) == b"hello\n" * 1000, got[:1]
                    ftp.quit()
        except (ftplib.Error, OSError, EOFError, AssertionError) as error:
            failed.append(repr(error))

    threads = [threading.Thread(target=client) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed, failed
    took = {pid: n - before.get(pid, 0) for pid, n in ready_workers(broker).items()}
    # Nothing but the control connections.
    assert sum(took.values()) == 10 and min(took.values()) == 5, took


def file(name):
    with open(os.path.join(HERE, name)) as f:
        return f.read()


HELLO = get(rb"hello\n")
LISTING = get(rb"<title>Directory listing")
REDIS = Talk((b"PING\r\nQUIT\r\n", rb"^\+PONG\r\n\+OK\r\n"))
MEMCACHED = Talk((b"set @ID@ 0 0 2\r\nok\r\nget @ID@\r\n", rb"^STORED\r\nVALUE @ID@ 0 2\r\nok\r\nEND\r\n"))
IMAP = Talk((None, rb"^\* OK .*\r\n"), (b"a LOGOUT\r\n", rb"a OK .*\r\n"))
FTP = Talk((None, rb"^220[ -].*\r\n"), (b"QUIT\r\n", rb"221.*\r\n"))
SOCKET_IO = get(rb'"sid"', "/socket.io/?EIO=4&transport=polling")
SQUID = get(rb"PNG", "/squid-internal-static/icons/SN.png")

NODE = file("app.js")
JAR = """
cp %s/JdkHttp.java .
echo 'class Main { public static void main(String[] a) throws Exception { JdkHttp.main(new String[] { "8080" }); } }' >Main.java
javac Main.java JdkHttp.java
jar cfe %%s Main *.class
""" % HERE
WSGI = """
def application(env, start):
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\\n"]
"""
RACK = "run lambda { |env| [200, {'Content-Type' => 'text/plain'}, [\"hello\\n\"]] }\n"
PYTHON = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello\\n")
    def log_message(self, *a): pass
ThreadingHTTPServer.request_queue_size = 128
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Hello)
"""
JOBS = PYTHON + """
import socket
try:
    lock = socket.socket()
    lock.bind(("127.0.0.1", 4720))
    where = "runs in"
except OSError:
    where = "is not in"
print("the scheduler", where, os.environ["BROKER_WORKER"], "of generation", os.environ["BROKER_GENERATION"], flush=True)
server.serve_forever()
"""
CHERRIES = """
import cherrypy
class Root:
    @cherrypy.expose
    def index(self): return "hello\\n"
cherrypy.quickstart(Root(), config={"global": {"server.socket_host": "0.0.0.0", "log.screen": False}})
"""
CHAT = """
const server = require('http').createServer();
new (require('%s/socket.io').Server)(server).on('connection', (s) => s.on('say', (text) => s.emit('said', text)));
server.listen(3000);
""" % NPM
FTP_FILES = "mkdir -p /srv/ftp; yes hello | head -n 1000 >/srv/ftp/file"
FTP_USER = "; grep -q ^ftp: /etc/passwd || echo ftp:x:12345:12345::/srv/ftp:/bin/false >>/etc/passwd"

WEB = App(3000, files={"app.js": NODE, "web.js": NODE}, needs="node")
# The program of handoff(3), as the page has it.
WORKER = re.search(r"^(#include <err.h>\n.*?)^\.Ed$", recipes.read("docs/man/handoff.3"), re.M | re.S).group(1)

APPS = {
    "node app.js": WEB,
    "node web.js": WEB,
    "node api.js": App(3001, files={"api.js": "process.argv[2] = 3001;\n" + NODE}, needs="node"),
    "node --require ./drain.js app.js": App(
        3000, files={"app.js": NODE, "drain.js": recipes.read("docs/examples/drain.js")}, needs="node"),
    "node chat.js": App(3000, SOCKET_IO, files={"chat.js": CHAT}, needs="node", check=polling_sessions),
    "serve -l 3000 /srv/pages": App(
        3000, HELLO, setup="mkdir -p /srv/pages; echo hello >/srv/pages/index.html", needs="serve"),
    "python3 cherries.py": App(8080, HELLO, files={"cherries.py": CHERRIES}, check=both_have_warned),
    "python3 jobs.py": App(8000, HELLO, files={"jobs.py": JOBS}, check=one_scheduler),
    "python3 -m http.server 8000": App(8000, LISTING),
    "sh -c 'exec python3 api.py --port \"$PORT\"'": App(
        3001, HELLO, files={"api.py": PYTHON + "server.serve_forever()\n"}),
    "gunicorn -w 4 -b 127.0.0.1:8000 app:application": App(8000, HELLO, files={"app.py": WSGI}, needs="gunicorn"),
    "gunicorn -w 4 -k gthread --threads 8 -b 127.0.0.1:8000 app:application": App(
        8000, HELLO, files={"app.py": WSGI}, needs="gunicorn"),
    "gunicorn -w 4 app:application": App(8000, HELLO, files={"app.py": WSGI}, needs="gunicorn"),
    "puma -b tcp://127.0.0.1:9292 -t 8:8 config.ru": App(9292, HELLO, files={"config.ru": RACK}, needs="puma"),
    "java -jar store.jar": App(8080, setup=JAR % "store.jar", needs="java"),
    "java -Xmx512m -jar shop.jar": App(8080, setup=JAR % "shop.jar", needs="java"),
    "java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=5005 -jar shop.jar": App(
        8080, setup=JAR % "shop.jar", needs="java"),
    "java -Dsun.net.httpserver.idleInterval=5 Till.java": App(8080, HELLO, needs="java"),
    "perl server.pl": App(8080, files={"server.pl": "@ARGV = (8080);\n" + file("perl_socket.pl")}),
    "nginx": App(8080, HELLO, setup="mkdir -p /srv/front/run /srv/front/logs", needs="nginx"),
    "apache2 -DFOREGROUND -f /srv/site/httpd.conf": App(
        8080, HELLO, needs="apache2",
        setup="mkdir -p /srv/site/run /srv/site/www; echo hello >/srv/site/www/index.html"),
    "squid -N -f /srv/proxy/squid.conf": App(3128, SQUID, needs="squid"),
    "memcached -p 11211 -U 0 -l 127.0.0.1": App(11211, MEMCACHED, needs="memcached"),
    "redis-server": App(6379, REDIS, needs="redis-server"),
    "dovecot": App(143, IMAP, setup="mkdir -p /srv/imap/run /run/dovecot", needs="dovecot"),
    "pure-ftpd": App(21, FTP, setup=FTP_FILES + FTP_USER, needs="pure-ftpd", check=passive_transfers),
    "python3 -m pyftpdlib -i 127.0.0.1 -p 2121 -r 41000-41100 -d /srv/ftp": App(
        2121, FTP, setup=FTP_FILES, check=passive_transfers),
    "./worker": App(
        3000, HELLO, files={"worker.c": WORKER.replace("\\e", "\\")}, needs="cc",
        setup="cc -Wall -Werror -I%s/include worker.c %s/libhandoff.a -o worker" % (ROOT, BUILD)),
    "./server --port 7000": App(
        7000, files={"server": "#!/bin/sh\nexec %s/srv_poll $2\n" % PROGRAMS}, setup="chmod 755 server"),
}


def app_of(command):
    """The App for a command; a long one is found by the program that its shell executes."""
    for key, found in APPS.items():
        if command == key or "exec %s " % key in command:
            return found
    return None
