"""Proxies and relays."""

from asking import Talk, http
from row import Row

ECHO = Talk((b"@ID@\n", rb"^echo @ID@\n"))

ROWS = [
    Row(
        "HAProxy, as a worker", "master and worker process, or `-db`: epoll in threads", apt="haproxy",
        command="haproxy -db -f {dir}/haproxy.cfg", load=True, keepalive=True, files={"haproxy.cfg": """
global
	nbthread 2
	default-path origin {dir}
defaults
	mode http
	timeout client 30s
	timeout server 30s
	timeout connect 5s
frontend web
	bind 127.0.0.1:{port}
	http-request return status 200 content-type text/plain lf-string "pid=%pid id=%[urlp(id)]\\n"
"""},
    ),
    Row(
        "varnish", "threads; each worker needs its own `-n`", apt="varnish gcc libc6-dev",
        shell="exec varnishd -F -n $W -a 127.0.0.1:{port} -f {dir}/test.vcl -s malloc,10m -j none",
        files={"test.vcl": """
vcl 4.1;
backend none none;
sub vcl_recv { return (synth(200, "OK")); }
sub vcl_synth { set resp.body = "id=" + req.url + "\\n"; return (deliver); }
"""}, ask=http(rb"id=/@ID@", "/@ID@"),
    ),
    Row(
        "squid", "epoll; `-N`, and no shared `pid_filename`", apt="squid", command="squid -N -f {dir}/squid.conf",
        files={"squid.conf": """
http_port 127.0.0.1:{port}
pid_filename none
visible_hostname localhost
cache_log /dev/stderr
access_log none
cache deny all
http_access allow all
shutdown_lifetime 0 seconds
coredump_dir {dir}
"""}, keys={"user": "proxy"}, ask=http(rb"PNG", "/squid-internal-static/icons/SN.png"),
    ),
    Row(
        "tinyproxy", "a thread for each connection", apt="tinyproxy", command="tinyproxy -d -c {dir}/tinyproxy.conf",
        files={"tinyproxy.conf": "Port {port}\nListen 127.0.0.1\nMaxClients 50\nStatHost \"tinyproxy.stats\"\n"},
        ask=http(rb"Number of requests", "http://tinyproxy.stats/"),
    ),
    Row(
        "privoxy", "a thread for each connection", apt="privoxy", command="privoxy --no-daemon {dir}/config",
        broken="privoxy --no-daemon {dir}/missing", files={"config": "listen-address 127.0.0.1:{port}\nconfdir /etc/privoxy\nlogdir {dir}\n"},
        ask=http(rb"Privoxy", "http://config.privoxy.org/"),
    ),
    Row(
        "sslh", "a process for each connection", apt="sslh",
        command="sslh -f -u root -p 127.0.0.1:{port} --anyprot 127.0.0.1:{backend}", ask=ECHO,
    ),
    Row(
        "stunnel", "a thread for each connection", apt="stunnel4", command="stunnel4 {dir}/stunnel.conf",
        files={"stunnel.conf": """
foreground = yes
pid =
[echo]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
cert = {pem}
"""}, ask=Talk((b"@ID@\n", rb"^echo @ID@\n"), tls=True),
    ),
    Row(
        "hitch", "libev in two child processes", apt="hitch",
        command="hitch -n 2 -u nobody -f [127.0.0.1]:{port} -b [127.0.0.1]:{backend} {pem}",
        ask=Talk((b"@ID@\n", rb"^echo @ID@\n"), tls=True),
    ),
    Row(
        "socat", "a process for each connection", apt="socat",
        command="socat TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr TCP:127.0.0.1:{backend}", ask=ECHO,
    ),
    Row(
        "ncat", "`-k -l`: select, a process for each connection", apt="ncat",
        command="ncat -k -l 127.0.0.1 {port} -e /bin/cat", ask=Talk((b"@ID@\n", rb"^@ID@\n")),
    ),
    Row(
        "websockify", "Python; a process for each connection", apt="websockify python3-websockify",
        command="/usr/bin/python3 -m websockify 127.0.0.1:{port} 127.0.0.1:{backend}",
        ask=Talk((
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", rb"^HTTP/1.1 101 .*\r\n\r\n",
        )),
    ),
]
