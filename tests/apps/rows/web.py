"""Web servers."""

from asking import Talk, http
from row import Row

PAGE = {"www/index.html": "hello from a file\n"}
HELLO = http(b"hello from a file", "/index.html")

NGINX = """
worker_processes 2;
error_log stderr warn;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	server {
		listen 127.0.0.1:{port};
		default_type text/plain;
		location / { return 200 "pid=$pid id=$arg_id"; }
	}
}
"""

APACHE = """
ServerName localhost
ServerRoot {dir}
DefaultRuntimeDir ${W}
PidFile ${W}/pid
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_MPM_module /usr/lib/apache2/modules/mod_mpm_MPM.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
StartServers 2
Listen 127.0.0.1:{port}
DocumentRoot {dir}/www
"""

# GET /index.html of HTTP/2, with prior knowledge: preface, SETTINGS, HEADERS that end the stream.
HTTP2 = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    + b"\0\0\x0e\1\5\0\0\0\1" + b"\x82\x86\x85\x01\x09localhost"
)


def nginx(daemon):
    return Row(
        "nginx, daemon %s" % daemon,
        "two worker processes of the master accept. Each worker needs a pid file of its own", apt="nginx-light",
        files={"nginx.conf": NGINX}, load=True, keepalive=True, processes=2,
        shell="exec nginx -e stderr -p {dir} -c {dir}/nginx.conf -g \"daemon %s; pid $W/pid;\"" % daemon,
    )


def apache(mpm, about):
    return Row(
        "Apache httpd, mpm_%s" % mpm, about, apt="apache2", ask=HELLO,
        files={"httpd.conf": APACHE.replace("MPM", mpm), **PAGE},
        shell="exec apache2 -DFOREGROUND -f {dir}/httpd.conf",
    )


ROWS = [
    nginx("off"),
    nginx("on"),
    apache("event", "threads; a listener thread with epoll in each child. Each worker needs its own `PidFile`"),
    apache("worker", "threads; a listener thread in each child"),
    apache("prefork", "pre-forked children accept"),
    Row(
        "lighttpd", "`server.max-worker = 2`: the children of the worker accept",
        apt="lighttpd", command="lighttpd -D -f {dir}/lighttpd.conf",
        files={"lighttpd.conf": """
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{dir}/www"
server.max-worker = 2
mimetype.assign = (".html" => "text/html")
""", **PAGE}, ask=HELLO,
    ),
    Row(
        "h2o", "threads with epoll", apt="h2o", command="h2o -c {dir}/h2o.conf", files={"h2o.conf": """
listen: { port: {port}, host: 127.0.0.1 }
user: root
num-threads: 2
hosts: { localhost: { paths: { /: { file.dir: {dir}/www } } } }
""", **PAGE}, ask=HELLO,
    ),
    Row(
        "nghttpd", "HTTP/2; libev", apt="nghttp2-server", files=PAGE,
        command="nghttpd --no-tls -a 127.0.0.1 -d {dir}/www {port}", broken="nghttpd --no-such-option {port}",
        ask=Talk((HTTP2, rb"hello from a file")),
    ),
    Row(
        "mini_httpd", "a process for each connection", apt="mini-httpd", files=PAGE,
        command="mini_httpd -D -h 127.0.0.1 -p {port} -d {dir}/www -u root", broken="mini_httpd -D -x", ask=HELLO,
    ),
    Row(
        "webfsd", "select", apt="webfs", files=PAGE, command="webfsd -F -i 127.0.0.1 -p {port} -r {dir}/www",
        broken="webfsd -F --no-such-option", ask=HELLO,
    ),
    Row(
        "busybox httpd", "a process for each connection", apt="busybox", files=PAGE,
        command="busybox httpd -f -p 127.0.0.1:{port} -h {dir}/www", broken="busybox httpd -f -h /nonexistent",
        ask=HELLO,
    ),
    Row(
        "busybox httpd, static", "the same, of busybox-static", apt="busybox", files=PAGE,
        command="{unpacked}/busybox-static/bin/busybox httpd -f -p 127.0.0.1:{port} -h {dir}/www",
        broken="{unpacked}/busybox-static/bin/busybox httpd -f -h /nonexistent", ask=HELLO,
    ),
    Row(
        "yaws", "Erlang. Each worker has its own node id", apt="yaws",
        shell="exec yaws --conf {dir}/yaws.conf --id w$$ -D",
        files={"yaws.conf": """
logdir = {dir}
ebin_dir = {dir}
<server localhost>
	port = {port}
	listen = 127.0.0.1
	docroot = {dir}/www
</server>
""", **PAGE}, ask=HELLO,
    ),
]
