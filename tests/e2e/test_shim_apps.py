#!/usr/bin/env python3
"""The preload library under real runtimes; those that are missing are skipped by name."""

import glob
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../harness"))
from fake_broker import *  # noqa: E402,F401,F403


# --- runtimes -----------------------------------------------------------------------------------


def http(channel, broker, kind="4"):
    client = channel.send(broker, kind)
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    data = b""
    while True:
        more = client.recv(4096)
        if not more:
            return data
        data += more


def serves_http(broker, *command, kinds=("4",), want=b" 200 "):
    if not shutil.which(command[0]):
        raise Skip("no " + command[0])
    broker.start(*command, cwd=broker.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    channel = broker.welcome(broker.hello())
    for kind in kinds:
        for _ in range(3):
            answer = http(channel, broker, kind)
            assert want in answer, answer


@test
def node_serves(broker):
    serves_http(broker, "node", "-e",
                "require('http').createServer((q, r) => r.end('from ' + "
                "q.socket.remoteAddress)).listen(3000)",
                kinds=("4", "dual"), want=b"from ::ffff:127.0.0.1")


@test
def node_cluster_children_serve_what_the_primary_accepts(broker):
    script = write_file(broker, "cluster.js", b"""
const c = require('cluster');
if (c.isMaster) { c.fork(); c.fork(); }
else require('http').createServer((q, r) => r.end('child')).listen(3000);
""")
    serves_http(broker, "node", script, want=b"child")


@test
def python_serves(broker):
    serves_http(broker, "python3", "-m", "http.server", "3000", kinds=("4", "dual"))


@test
def python_asyncio_serves(broker):
    serves_http(broker, "python3", "-c", """
import asyncio
async def serve(r, w):
    await r.readuntil(b"\\r\\n\\r\\n")
    w.write(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + repr(w.get_extra_info("peername")).encode())
    w.close()
async def main():
    await (await asyncio.start_server(serve, "0.0.0.0", 3000)).serve_forever()
asyncio.run(main())
""")


@test
def python_threads_and_subprocesses_serve(broker):
    serves_http(broker, "python3", "-c", """
import http.server, subprocess
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        out = subprocess.run(["/bin/echo", "from", "echo"], stdout=subprocess.PIPE).stdout
        self.send_response(200); self.end_headers(); self.wfile.write(out)
http.server.ThreadingHTTPServer(("", 3000), H).serve_forever()
""", want=b"from echo")


@test
def perl_serves(broker):
    serves_http(broker, "perl", "-MIO::Socket::INET", "-e", """
my $l = IO::Socket::INET->new(LocalPort => 3000, Listen => 5, ReuseAddr => 1) or die "$!";
while (my $c = $l->accept) {
    my $from = $c->peerhost; while (<$c>) { last if /^\\r?$/ }
    print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$from"; close $c;
}
""", kinds=("4", "dual", "6"), want=b"127.0.0.1")


@test
def java_serves(broker):
    if not shutil.which("java") or not shutil.which("javac"):
        raise Skip("no JDK")
    with open(os.path.join(broker.dir, "Main.java"), "w") as f:
        f.write("""
import com.sun.net.httpserver.*;
public class Main {
    public static void main(String[] a) throws Exception {
        HttpServer s = HttpServer.create(new java.net.InetSocketAddress(3000), 0);
        s.createContext("/", x -> {
            byte[] b = x.getRemoteAddress().toString().getBytes();
            x.sendResponseHeaders(200, b.length); x.getResponseBody().write(b); x.close();
        });
        s.start();
    }
}
""")
    serves_http(broker, "java", os.path.join(broker.dir, "Main.java"), kinds=("4", "dual"))


@test
def a_shell_in_front_changes_nothing(broker):
    serves_http(broker, "sh", "-c", "python3 -m http.server 3000; true")


def serves_from_threads_and_children(broker, binary, options=()):
    for mode in ("threads", "prefork"):
        broker.start(binary, mode, "3000", options=options)
        channel = broker.welcome(broker.hello())
        for _ in range(4):
            client = channel.send(broker)
            assert re.fullmatch(rb"\d+ \d\n", client.makefile("rb").readline())


def build_for_musl(broker):
    if not shutil.which("musl-gcc"):
        raise Skip("no musl-gcc")
    binary = os.path.join(broker.dir, "serve")
    subprocess.run(["musl-gcc", "-D_GNU_SOURCE", "-pthread", "-o", binary,
                    os.path.join(SOURCES, "shim_serve.c")], check=True)
    return binary


@test
def a_musl_program_is_served(broker):
    serves_from_threads_and_children(broker, build_for_musl(broker))


@test
def a_library_built_for_musl_serves_it_too(broker):
    binary = build_for_musl(broker)
    root = os.path.join(SOURCES, "../..")
    preload = os.path.join(root, "worker-shim/preload")
    library = os.path.join(broker.dir, "libworker-shim.so")
    subprocess.run(["musl-gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-fPIC", "-shared",
                    "-fvisibility=hidden", "-fno-strict-aliasing",
                    "-Wl,--version-script=" + os.path.join(preload, "exports.map"),
                    "-I" + os.path.join(root, "include"), "-o", library,
                    *glob.glob(os.path.join(preload, "*.c"))], check=True)
    serves_from_threads_and_children(broker, binary, ["--library", library])


@test
def the_library_exports_and_needs_only_what_it_must(broker):
    if not shutil.which("readelf"):
        raise Skip("no readelf")
    library = os.path.join(BUILD, "libworker-shim.so")
    out = subprocess.run(["readelf", "--dyn-syms", "-W", library], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines() if re.match(r" +\d+:", line)]
    exported = {row[7].split("@")[0] for row in rows if row[6] != "UND"}
    with open(os.path.join(SOURCES, "../../worker-shim/preload/exports.map")) as f:
        eq(exported, set(re.findall(r"^\t(\w+);", f.read(), re.M)))
    imported = {row[7].split("@")[0] for row in rows if row[6] == "UND" and len(row) > 7}
    if any("san" in name for name in imported):
        raise Skip("a sanitizer build needs its runtime")
    # Neither a function that only glibc has, or only a new one, nor an allocator, nor stdio.
    bad = [name for name in imported
           if name.endswith("_chk") or name.startswith("__isoc") or name in ("malloc", "free", "calloc", "abort") or
           "printf" in name]
    eq(bad, [])
    assert not any(name.startswith("hook_") for name in imported), "a hook is not defined"


if __name__ == "__main__":
    sys.exit(main())
