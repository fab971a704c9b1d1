"""Mail, files, shells, chat, and other protocols."""

from asking import Talk, http
from row import Row

FTP = Talk((None, rb"^220[ -].*\r\n"), (b"QUIT\r\n", rb"^221.*\r\n"))
IRC = Talk((b"CAP LS\r\n", rb"CAP \* LS :.*\r\n"))
XMPP = (
    b"<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)
ARIA = b'{"jsonrpc":"2.0","id":"x","method":"aria2.getVersion"}'

DOVECOT = """
listen = 127.0.0.1
protocols = imap
ssl = no
log_path = /dev/stderr
state_dir = {dir}
passdb {
  driver = static
  args = nopassword=y
}
service imap-login {
  chroot =
  inet_listener imap {
    port = {port}
  }
  inet_listener imaps {
    port = 0
  }
  service_count = 0
  process_min_avail = 1
}
"""
IMAP = Talk((None, rb"^\* OK .*\r\n"), (b"a CAPABILITY\r\n", rb"a OK .*\r\n"), (b"b LOGOUT\r\n", rb"\* BYE .*\r\n"))

ROWS = [
    Row(
        "OpenSSH sshd", "a process for each connection, which executes sshd again", apt="openssh-server",
        setup="ssh-keygen -q -t ed25519 -N '' -f {dir}/key; mkdir -p /run/sshd", command="/usr/sbin/sshd -D -e -f {dir}/sshd.conf",
        files={"sshd.conf": """
Port {port}
ListenAddress 127.0.0.1
HostKey {dir}/key
PidFile none
MaxStartups 1000
UsePAM no
"""}, ask=Talk((None, rb"^SSH-2.0-OpenSSH[^\n]*\n"), (b"SSH-2.0-test\r\n", rb"ssh-ed25519")),
    ),
    Row(
        "dropbear", "a process for each connection. It refuses an address with more than five connections that are not logged in, per worker", apt="dropbear-bin", inflight=3,
        setup="dropbearkey -t ed25519 -f {dir}/key", shell="exec dropbear -F -E -p 127.0.0.1:{port} -r {dir}/key -P $W/pid",
        broken="dropbear -F -E -p 127.0.0.1:{port} -r {dir}/key --no-such-option",
        ask=Talk((None, rb"^SSH-2.0-dropbear[^\n]*\n"), (b"SSH-2.0-test\r\n", rb"curve25519"), (bytes(64), None)),
    ),
    Row(
        "Dovecot imapd", "the master listens, login processes accept. Each worker needs its own `base_dir`, and login processes no `chroot`. Dovecot"
        " empties the environment of its processes; the library puts its part back",
        apt="dovecot-imapd", setup="mkdir -p /run/dovecot", same_fds=False,
        shell="exec dovecot -F -c {dir}/dovecot.conf -o base_dir=$W", files={"dovecot.conf": DOVECOT}, ask=IMAP,
    ),
    Row(
        "Exim", "a process for each connection", apt="exim4-daemon-light",
        shell="exec exim4 -C {dir}/exim.conf -bdf -oX 127.0.0.1.{port} -oP $W/pid", files={"exim.conf": """
spool_directory = {dir}/spool
log_file_path = {dir}/exim-%slog
primary_hostname = localhost
tls_advertise_hosts =
smtp_accept_max = 100
"""}, ask=Talk((None, rb"^220 .*\r\n"), (b"EHLO x\r\n", rb"^250.*250 HELP\r\n"), (b"QUIT\r\n", rb"^221.*\r\n")),
    ),
    Row(
        "Pure-FTPd", "a process for each connection. Its passive ports must be private: see below", apt="pure-ftpd", shell="exec pure-ftpd -S 127.0.0.1,{port} -g $W/pid -H",
        broken="pure-ftpd --no-such-option", ask=FTP,
    ),
    Row(
        "rsync --daemon", "a process for each connection", apt="rsync",
        shell="exec rsync --daemon --no-detach --address=127.0.0.1 --port={port} --config={dir}/rsyncd.conf",
        broken="rsync --daemon --no-such-option", files={"rsyncd.conf": "use chroot = no\n[files]\npath = {dir}\n"},
        ask=Talk((None, rb"^@RSYNCD: .*\n"), (b"@RSYNCD: 31.0\n#list\n", rb"files.*@RSYNCD: EXIT\n")),
    ),
    Row(
        "git daemon", "a process for each connection", apt="git", 
        setup="git init -q x.git; git -C x.git -c user.name=x -c user.email=x@example.net commit -q --allow-empty -m x",
        command="git daemon --listen=127.0.0.1 --port={port} --reuseaddr --export-all --base-path={dir} {dir}",
        broken="git daemon --no-such-option",
        ask=Talk((b"002agit-upload-pack /x.git\0host=localhost\0", rb"HEAD.*0000$"), (b"0000", rb"")),
    ),
    Row(
        "svnserve", "a process for each connection; threads with `-T`", apt="subversion",
        command="svnserve -d --foreground --listen-host 127.0.0.1 --listen-port {port} -r {dir}",
        ask=Talk((None, rb"^\( success \( 2 2 .*\) \) ")),
    ),
    Row(
        "nbd-server", "goes into the background; a process for each connection", apt="nbd-server", shell="exec nbd-server -C {dir}/nbd.conf -p $W/pid",
        files={"nbd.conf": "[generic]\nport = {port}\nlistenaddr = 127.0.0.1\nallowlist = true\n[disk]\nexportname = {dir}/disk\n", "disk": "x" * 4096},
        broken="nbd-server -C {dir}/missing", ask=Talk((None, rb"^NBDMAGICIHAVEOPT"), (b"\0\0\0\1IHAVEOPT\0\0\0\3\0\0\0\0", rb"disk.*\x00\x00\x00\x01\x00\x00\x00\x00$")),
    ),
    Row(
        "distccd", "pre-forked children accept", apt="distcc gcc", keys={"user": "nobody"},
        command="distccd --daemon --no-detach --listen 127.0.0.1 --port {port} --allow 127.0.0.1 --log-stderr --log-level error --jobs 2 --enable-tcp-insecure",
        ask=Talk((
            b"DIST00000001ARGC00000005ARGV00000003gccARGV00000002-cARGV00000003x.cARGV00000002-oARGV00000003x.o"
            b"DOTI00000007int x;\n", rb"^DONE00000001STAT00000000.*DOTO",
        )), processes=4, inflight=2,
    ),
    Row(
        "ngIRCd", "epoll", apt="ngircd", keys={"user": "nobody"}, command="ngircd -n -f {dir}/ngircd.conf", files={"ngircd.conf": """
[Global]
Name = irc.example.net
Info = test
Listen = 127.0.0.1
Ports = {port}
[Limits]
MaxConnectionsIP = 0
[Options]
PAM = no
Ident = no
DNS = no
"""}, ask=IRC,
    ),
    Row(
        "InspIRCd", "epoll", apt="inspircd", keys={"user": "nobody"},
        command="inspircd --nofork --nopid --config {dir}/inspircd.conf", files={"inspircd.conf": """
<config format="xml">
<path configdir="{dir}" datadir="{dir}" logdir="{dir}" runtimedir="{dir}" moduledir="/usr/lib/inspircd/modules">
<server name="irc.example.net" description="test" network="test">
<admin name="x" nick="x" email="x@example.net">
<bind address="127.0.0.1" port="{port}" type="clients">
<module name="cap">
<connect name="main" allow="*" threshold="100" commandrate="10000" localmax="1000" globalmax="1000" resolvehostnames="no" useident="no">
<log method="file" target="inspircd.log" type="*" level="normal">
"""}, ask=IRC,
    ),
    Row(
        "Prosody", "Lua with libevent", apt="prosody", keys={"user": "prosody"}, command="prosody -F --config {dir}/prosody.cfg.lua",
        files={"prosody.cfg.lua": """
modules_enabled = { "saslauth" }
modules_disabled = { "s2s" }
interfaces = { "127.0.0.1" }
c2s_ports = { {port} }
data_path = "{dir}"
authentication = "internal_hashed"
log = { warn = "*console" }
pidfile = nil
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost "localhost"
"""}, ask=Talk((XMPP, rb"<stream:features>.*</stream:features>")),
    ),
    Row(
        "mpd", "epoll", apt="mpd", shell="exec mpd --no-daemon --stderr {dir}/mpd.conf", files={"mpd.conf": """
bind_to_address "127.0.0.1"
port "{port}"
audio_output {
  type "null"
  name "null"
}
max_connections "100"
"""}, ask=Talk((None, rb"^OK MPD .*\n"), (b"ping\n", rb"^OK\n")),
    ),
    Row(
        "transmission-daemon", "libevent", apt="transmission-daemon",
        shell="exec transmission-daemon -f -g $W -r 127.0.0.1 -p {port} -P {port2} -T -O -Y --no-utp --no-portmap",
        ask=http(rb"X-Transmission-Session-Id", "/transmission/rpc", status=409),
    ),
    Row(
        "aria2", "poll", apt="aria2",
        shell="exec aria2c --no-conf --enable-rpc --rpc-listen-port={port} --dir=$W --quiet",
        ask=Talk((
            b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(ARIA) + ARIA,
            rb'^HTTP/1.1 200 .*"version"',
        )),
    ),
    Row(
        "CUPS", "poll", apt="cups-daemon", setup="mkdir spool cache state tmp", command="cupsd -f -c {dir}/cupsd.conf -s {dir}/cups-files.conf",
        files={"cupsd.conf": """
Listen 127.0.0.1:{port}
Browsing Off
WebInterface Yes
<Location />
  Order allow,deny
  Allow all
</Location>
""", "cups-files.conf": """
ServerRoot {dir}
RequestRoot {dir}/spool
CacheDir {dir}/cache
StateDir {dir}/state
TempDir {dir}/tmp
ErrorLog stderr
AccessLog {dir}/access
PageLog {dir}/page
"""}, ask=Talk((b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", rb"^HTTP/1.1 200 .*\r\n\r\n")),
    ),
    Row(
        "dictd", "a process for each connection", apt="dictd", keys={"user": "nobody"},
        command="dictd -d nodetach --listen-to 127.0.0.1 -p {port} -c {dir}/dictd.conf",
        files={"dictd.conf": "global { pid_file {dir}/pid }\ndatabase_exit\n"}, broken="dictd -d nodetach -c {dir}/missing",
        ask=Talk((None, rb"^220 .*\r\n"), (b"QUIT\r\n", rb"^221 .*\r\n")),
    ),
]
