"""Servers and frameworks of Java, Ruby, Perl, PHP, Lua, Tcl, Erlang, OCaml."""

from asking import Talk, http
from row import Row

QUICK = "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -Xmx64m -Dsun.net.httpserver.nodelay=true "
JETTY = ":".join(
    "/usr/share/java/%s.jar" % jar
    for jar in ("jetty9-server", "jetty9-util", "jetty9-http", "jetty9-io", "servlet-api")
)
RACK = """
run ->(env) {
  body = "pid=#{Process.pid} id=#{env["QUERY_STRING"][/id=([^&]*)/, 1]}\\n"
  [200, { "Content-Type" => "text/plain", "Content-Length" => body.bytesize.to_s }, [body]]
}
"""
PSGI = """
my $app = sub {
    my ($id) = $_[0]{QUERY_STRING} =~ /id=([^&]*)/;
    my $body = "pid=$$ id=$id\\n";
    return [200, ["Content-Type" => "text/plain", "Content-Length" => length $body], [$body]];
};
"""


def fastcgi(kind, content):
    return b"\1" + bytes([kind]) + b"\0\1" + len(content).to_bytes(2, "big") + b"\0\0" + content


FPM_PING = b"".join(bytes([len(k), len(v)]) + k + v for k, v in (
    (b"SCRIPT_NAME", b"/ping"), (b"SCRIPT_FILENAME", b"/ping"), (b"REQUEST_METHOD", b"GET"),
))


FPM = """
[global]
error_log = /dev/stderr
daemonize = no
[www]
user = www-data
listen = ADDRESS
pm = static
pm.max_children = 2
ping.path = /ping
"""
# Its status page may answer "scoreboard: failed to lock" where two ask at once, its ping does not.
FPM_ASKED = Talk((fastcgi(1, b"\0\1\0\0\0\0\0\0") + fastcgi(4, FPM_PING) + fastcgi(4, b"") + fastcgi(5, b""), rb"pong"))


def rack(name, apt, about, command, files=None, **more):
    return Row(name, about, apt=apt, command=command, files={"config.ru": RACK, **(files or {})}, load=True, **more)


def ruby(name, apt, about, text, **more):
    return Row(name, about, apt=apt + " ruby", command="ruby {dir}/app.rb", files={"app.rb": text}, load=True, **more)


def java(name, about, main, **more):
    return Row(
        name, about, apt="openjdk-17-jdk-headless", load=True, env=True, broken=QUICK + "-cp {dir} Missing",
        setup="javac -d {dir} {here}/JdkHttp.java {here}/JdkSocket.java", command=QUICK + "-cp {dir} %s {port}" % main, **more,
    )


def psgi(name, apt, about, command, **more):
    return Row(name, about, apt=apt, command=command, files={"app.psgi": PSGI + "$app"}, load=True, **more)


ROWS = [
    java("JDK HttpServer", "NIO with epoll", "JdkHttp", keepalive=True),
    java("JDK ServerSocket", "blocking `accept`, threads", "JdkSocket"),
    Row(
        "Jetty", "NIO with epoll", apt="libjetty9-java openjdk-17-jdk-headless", load=True, keepalive=True,
        setup="javac -cp %s -d {dir} Hello.java" % JETTY, command=QUICK + "-cp {dir}:%s Hello" % JETTY,
        broken=QUICK + "-cp {dir}:%s Missing" % JETTY,
        files={"Hello.java": """
import java.net.InetSocketAddress;
import javax.servlet.http.*;
import org.eclipse.jetty.server.*;
import org.eclipse.jetty.server.handler.AbstractHandler;
public class Hello extends AbstractHandler {
	public void handle(String t, Request b, HttpServletRequest q, HttpServletResponse r) throws java.io.IOException {
		b.setHandled(true);
		r.getWriter().print("pid=" + ProcessHandle.current().pid() + " id=" + q.getParameter("id") + "\\n");
	}
	public static void main(String[] a) throws Exception {
		Server server = new Server(new InetSocketAddress("127.0.0.1", {port}));
		server.setHandler(new Hello());
		server.start();
	}
}
"""},
    ),
    Row(
        "Tomcat", "NIO. No shutdown port (`port=\"-1\"`), and `CATALINA_BASE` of its own for each worker",
        apt="tomcat10 openjdk-17-jdk-headless", shell="cp -r {dir}/conf {dir}/ROOT . && mkdir webapps temp logs && mv ROOT webapps && exec " + QUICK +
        "-cp /usr/share/tomcat10/bin/bootstrap.jar:/usr/share/tomcat10/bin/tomcat-juli.jar"
        " -Dcatalina.home=/usr/share/tomcat10 -Dcatalina.base=$W -Djava.io.tmpdir=$W/temp org.apache.catalina.startup.Bootstrap start",
        broken="java org.apache.catalina.startup.Bootstrap start",
        files={"conf/server.xml": """<Server port="-1"><Service name="Catalina">
<Connector port="{port}" address="127.0.0.1"/>
<Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps"/></Engine>
</Service></Server>
""", "conf/web.xml": """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0" metadata-complete="true">
<servlet><servlet-name>default</servlet-name><servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class></servlet>
<servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
</web-app>
""", "ROOT/index.html": "hello from a file\n"}, ask=http(b"hello from a file", "/index.html"),
    ),
    ruby("Ruby TCPServer", "ruby", "`accept4`, `ppoll`; a thread for each connection", """
require "socket"
server = TCPServer.new("127.0.0.1", {port})
loop do
  Thread.start(server.accept) do |s|
    id = s.gets.to_s[/id=([^& ]*)/, 1]
    while (line = s.gets) && line != "\\r\\n"; end
    body = "pid=#{Process.pid} id=#{id}\\n"
    s.write "HTTP/1.0 200 OK\\r\\nContent-Length: #{body.size}\\r\\n\\r\\n#{body}"
  rescue SystemCallError
  ensure
    s.close
  end
end
"""),
    ruby("WEBrick", "ruby-webrick", "a thread for each connection", """
require "webrick"
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: {port}, AccessLog: [], DoNotReverseLookup: true)
server.mount_proc("/") { |q, r| r.body = "pid=#{Process.pid} id=#{q.query["id"]}\\n" }
trap("TERM") { server.shutdown }
server.start
""", keepalive=True),
    rack("Puma", "puma", "threads", "puma -q -b tcp://127.0.0.1:{port} -t 4:4 {dir}/config.ru", keepalive=True),
    rack("Puma, two workers", "puma", "pre-forked; it listens before it loads the app",
         "puma -q -b tcp://127.0.0.1:{port} -w 2 {dir}/config.ru", keepalive=True, processes=2),
    rack("Thin", "thin", "EventMachine: epoll", "thin start -q -a 127.0.0.1 -p {port} -R {dir}/config.ru", keepalive=True),
    rack("Unicorn", "unicorn", "pre-forked; it listens before it loads the app", "unicorn -c {dir}/unicorn.rb -l 127.0.0.1:{port} {dir}/config.ru",
         files={"unicorn.rb": "preload_app false\n"}),
    ruby("Sinatra", "ruby-sinatra puma", "on Puma", """
require "sinatra/base"
class Hello < Sinatra::Base
  set :server, "puma"
  set :bind, "127.0.0.1"
  set :port, {port}
  set :quiet, true
  set :server_settings, { Silent: true }
  get("/*") { "pid=#{Process.pid} id=#{params["id"]}\\n" }
  run!
end
"""),
    Row(
        "Perl IO::Socket", "blocking `accept4`; one connection at a time", apt="perl", load=True, env=True,
        command="perl {here}/perl_socket.pl {port}", broken="perl {here}/missing.pl",
    ),
    Row(
        "HTTP::Daemon", "Perl; one connection at a time", apt="libhttp-daemon-perl", load=True, command="perl {dir}/app.pl",
        files={"app.pl": """
use HTTP::Daemon; use HTTP::Response;
$SIG{PIPE} = "IGNORE";
my $d = HTTP::Daemon->new(LocalAddr => "127.0.0.1", LocalPort => {port}, ReuseAddr => 1) or die "$@";
while (my $c = $d->accept) {
    if (my $q = $c->get_request) {
        my %form = $q->uri->query_form;
        $c->force_last_request;
        $c->send_response(HTTP::Response->new(200, "OK", ["Content-Type" => "text/plain"], "pid=$$ id=$form{id}\\n"));
    }
    $c->close;
}
"""},
    ),
    Row(
        "Mojolicious", "Perl; epoll", apt="libmojolicious-perl", load=True, keepalive=True,
        command="perl {dir}/app.pl daemon -m production -l http://127.0.0.1:{port}", files={"app.pl": """
use Mojolicious::Lite -signatures;
app->log->level("fatal");
get "/*any" => { any => "" } => sub ($c) { $c->render(text => "pid=$$ id=" . $c->param("id") . "\\n") };
app->start;
"""},
    ),
    # By itself it replaces each process after 1000 requests, and others than the two answer.
    psgi("Starman", "starman", "Perl, pre-forked", "starman --listen 127.0.0.1:{port} --workers 2 --max-requests 1000000 --preload-app {dir}/app.psgi", processes=2),
    psgi("Twiggy", "twiggy", "Perl, AnyEvent", "twiggy --listen 127.0.0.1:{port} {dir}/app.psgi"),
    Row(
        "PHP, built-in server", "poll; one request at a time. It reads its program at each request: a broken one is live at once, with or without a reload", apt="php-cli", load=True,
        command="php -S 127.0.0.1:{port} {dir}/app.php", broken="php -S 127.0.0.1:{port} -t {dir}/missing",
        files={"app.php": "<?php $b = 'pid=' . getmypid() . ' id=' . $_GET['id'] . \"\\n\"; header('Content-Length: ' . strlen($b)); echo $b;"},
    ),
    Row(
        "PHP-FPM", "pre-forked; FastCGI, for a web server in front", apt="php-fpm", command="php-fpm8.2 -F -O -R -y {dir}/fpm.conf",
        files={"fpm.conf": FPM.replace("ADDRESS", "127.0.0.1:{port}")}, ask=FPM_ASKED,
    ),
    Row(
        "LuaSocket", "select; one connection at a time", apt="lua-socket lua5.3", load=True, command="lua5.3 {dir}/app.lua",
        files={"app.lua": """
local socket = require("socket")
local server = assert(socket.bind("127.0.0.1", {port}, 128))
local pid = io.open("/proc/self/stat"):read("n")
while true do
  local c = server:accept()
  if c then
    local id = (c:receive() or ""):match("id=([^& ]*)")
    repeat local line = c:receive() until not line or line == ""
    local body = "pid=" .. math.tointeger(pid) .. " id=" .. (id or "none") .. "\\n"
    c:send("HTTP/1.0 200 OK\\r\\nContent-Length: " .. #body .. "\\r\\n\\r\\n" .. body)
    c:close()
  end
end
"""},
    ),
    Row(
        "Tcl", "the event loop's select", apt="tcl", load=True, command="tclsh {dir}/app.tcl", files={"app.tcl": """
proc accept {s host port} {
	fconfigure $s -translation crlf -blocking 0 -buffering full
	fileevent $s readable [list answer $s ""]
}
proc answer {s first} {
	if {[catch {gets $s line} n]} { close $s; return }
	if {$n < 0} { if {[eof $s]} { close $s }; return }
	if {$first eq ""} { set first $line; fileevent $s readable [list answer $s $first] }
	if {$line ne ""} return
	regexp {id=([^& ]*)} $first -> id
	set body "pid=[pid] id=$id"
	catch {puts $s "HTTP/1.0 200 OK\\nContent-Length: [string length $body]\\n"; puts -nonewline $s $body; close $s}
}
socket -server accept -myaddr 127.0.0.1 {port}
vwait forever
"""},
    ),
    Row(
        "Erlang gen_tcp", "the VM's epoll", apt="erlang-base", load=True, command="escript {dir}/app.es", files={"app.es": """#!/usr/bin/env escript
main(_) ->
    {ok, L} = gen_tcp:listen({port}, [binary, {ip, {127,0,0,1}}, {active, false}, {packet, http_bin}, {backlog, 128}]),
    loop(L).
loop(L) ->
    {ok, S} = gen_tcp:accept(L),
    P = spawn(fun() -> receive go -> serve(S) end end),
    gen_tcp:controlling_process(S, P), P ! go, loop(L).
serve(S) ->
    case gen_tcp:recv(S, 0) of
        {ok, {http_request, _, {abs_path, Path}, _}} -> head(S, Path);
        _ -> gen_tcp:close(S)
    end.
head(S, Path) ->
    case gen_tcp:recv(S, 0) of
        {ok, http_eoh} ->
            {match, [Id]} = re:run(Path, "id=([^&]*)", [{capture, [1], list}]),
            Body = "pid=" ++ os:getpid() ++ " id=" ++ Id ++ "\\n",
            gen_tcp:send(S, ["HTTP/1.0 200 OK\\r\\nContent-Length: ", integer_to_list(length(Body)), "\\r\\n\\r\\n", Body]),
            gen_tcp:close(S);
        {ok, _} -> head(S, Path);
        _ -> gen_tcp:close(S)
    end.
"""},
    ),
    Row(
        "OCaml Unix", "`establish_server`: a process for each connection", apt="ocaml-nox", command="ocaml unix.cma {dir}/app.ml",
        files={"app.ml": """
let () =
  let pid = Unix.getpid () in
  let serve input output =
    let line = input_line input in
    output_string output (Printf.sprintf "pid=%d %s\\n" pid line);
    flush output in
  Unix.establish_server serve (Unix.ADDR_INET (Unix.inet_addr_of_string "127.0.0.1", {port}))
"""}, ask=Talk((b"@ID@\n", rb"^pid=(?P<pid>\d+) @ID@\n")), tells_pid=True,
    ),
]


GO = [
    Row(
        "Caddy", "`admin off`, or the workers share that port, too", apt="caddy",
        command="caddy run --adapter caddyfile --config {dir}/Caddyfile", ask=http(rb"hello@ID@", "/?id=@ID@"),
        files={"Caddyfile": """
{
    admin off
    auto_https off
}
:{port} {
    bind 127.0.0.1
    respond "hello{query.id}"
}
"""},
    ),
    Row(
        "nats-server", "each worker is a server of its own: clients of two do not hear each other", apt="nats-server",
        command="nats-server -a 127.0.0.1 -p {port}", broken="nats-server -a 127.0.0.1 -p {port} --nonsense",
        ask=Talk((b"", rb"^INFO "), (b"CONNECT {\"verbose\":false}\r\nSUB @ID@ 1\r\nPUB @ID@ 2\r\nhi\r\n", rb"MSG @ID@ 1 2\r\nhi")),
    ),
    Row(
        "Prometheus", "each worker has data of its own", apt="prometheus",
        shell="exec prometheus --web.listen-address=127.0.0.1:{port} --config.file={dir}/prometheus.yml --storage.tsdb.path=$W/data",
        files={"prometheus.yml": "global: {}\n"}, ask=http(rb"Prometheus Server is Healthy", "/-/healthy"),
    ),
]
