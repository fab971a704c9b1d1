"""Databases, caches, queues, directories and name servers."""

from asking import Talk
from row import Row

PG_START = b"\0\0\0\x29\0\3\0\0user\0postgres\0database\0postgres\0\0"
PG_QUERY = b"Q\0\0\0\x1fselect 'it is '||version()\0"
PG_READY = rb"Z\0\0\0\x05I"
BOUNCER_START = b"\0\0\0\x27\0\3\0\0user\0admin\0database\0pgbouncer\0\0"
MYSQL_LOGIN = (
    b"\x26\0\0\1" + b"\1\x82\0\0" + b"\0\0\0\1" + b"\x21" + bytes(23) + b"root\0" + b"\0"
)
MYSQL_QUERY = b"\x11\0\0\0\3select version()"
LDAP_BIND = b"\x30\x0c\2\1\1\x60\7\2\1\3\4\0\x80\0"
# A question for the address of a.test, with its length in front, as TCP wants it.
DNS = Talk((b"\0\x18\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\4test\0\0\1\0\1", rb"^..\x12\x34.*\xc0\x00\x02\x01"))
ZONE = "$ORIGIN test.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.2\na A 192.0.2.1\n"

REDIS = Talk(
    (b"PING\r\nINCR @ID@\r\nINFO server\r\n",
     rb"^\+PONG\r\n:1\r\n\$.*process_id:(?P<pid>\d+)\r\n.*executable:[^\r]*\r\n"),
    (b"QUIT\r\n", rb"\+OK\r\n"),
)
MEMCACHED = Talk((b"set @ID@ 0 0 2\r\nok\r\nstats\r\n", rb"^STORED\r\n.*STAT pid (?P<pid>\d+)\r\n.*END\r\n"))

ROWS = [
    Row(
        "redis", "two listeners, epoll", apt="redis-server",
        shell="exec redis-server --port {port} --bind 127.0.0.1 -::1 --appendonly no --daemonize no --save ''",
        ask=REDIS, tells_pid=True,
    ),
    Row(
        "memcached", "epoll in threads. As root, set `user` in the service instead of its option `-u`",
        apt="memcached", command="memcached -p {port} -U 0 -l 127.0.0.1", keys={"user": "nobody"},
        ask=MEMCACHED, tells_pid=True,
    ),
    Row(
        "PostgreSQL", "a process for each connection. Each worker needs a data directory of its own. It listens before it can serve: the"
        " first clients of a new worker may be told that it is starting up", apt="postgresql-15", keys={"user": "postgres"},
        setup="/usr/lib/postgresql/15/bin/initdb -D {dir}/template -A trust -U postgres --no-sync",
        shell="cp -a {dir}/template data && exec /usr/lib/postgresql/15/bin/postgres -D $W/data -p {port} -k $W"
        " -c listen_addresses=127.0.0.1 -c shared_buffers=1MB -c max_connections=30 -c fsync=off",
        ask=Talk((PG_START + PG_QUERY, rb"it is PostgreSQL.*" + PG_READY + rb"|the database system is starting up")),
    ),
    Row(
        "PgBouncer", "libevent", apt="pgbouncer", keys={"user": "postgres"}, command="pgbouncer {dir}/pgbouncer.ini",
        files={"pgbouncer.ini": """
[databases]
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = admin
"""}, ask=Talk((BOUNCER_START, PG_READY), (b"Q\0\0\0\x11SHOW VERSION\0", rb"PgBouncer.*" + PG_READY)),
    ),
    Row(
        "MariaDB", "a thread for each connection. Each worker needs a data directory of its own",
        apt="mariadb-server", setup="mariadb-install-db --no-defaults --datadir={dir}/template --user=root",
        shell="cp -a {dir}/template data && exec mariadbd --no-defaults --datadir=$W/data --socket=$W/s"
        " --pid-file=$W/pid --port={port} --bind-address=127.0.0.1 --user=root --skip-grant-tables"
        " --skip-networking=0 --innodb-buffer-pool-size=8M --innodb-log-file-size=4M --skip-log-bin",
        ask=Talk((None, rb"mysql_native_password\x00"), (MYSQL_LOGIN, rb"^...\x02\x00"), (MYSQL_QUERY, rb"MariaDB.*\xfe\x00\x00")),
    ),
    Row(
        "OpenLDAP slapd", "epoll in a thread. Each worker needs a database of its own", apt="slapd",
        command="slapd -d 0 -h ldap://127.0.0.1:{port}/ -f {dir}/slapd.conf",
        files={"slapd.conf": "include /etc/ldap/schema/core.schema\n"},
        ask=Talk((LDAP_BIND, rb"^\x30\x0c\x02\x01\x01\x61\x07\n\x01\x00\x04\x00\x04\x00")),
    ),
    Row(
        "beanstalkd", "epoll", apt="beanstalkd", command="beanstalkd -l 127.0.0.1 -p {port}",
        ask=Talk((b"stats\r\n", rb"^OK .*\npid: (?P<pid>\d+)\n.*\r\n$")), tells_pid=True,
    ),
    Row(
        "gearmand", "threads with epoll", apt="gearman-job-server", command="gearmand -L 127.0.0.1 -p {port} -l stderr",
        ask=Talk((b"version\n", rb"^OK 1")),
    ),
    Row(
        "mosquitto", "epoll", apt="mosquitto", command="mosquitto -c {dir}/mosquitto.conf",
        files={"mosquitto.conf": "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n"},
        ask=Talk((b"\x10\x0c\0\4MQTT\4\2\0\x3c\0\0", rb"^\x20\x02\x00\x00"), (b"\xe0\0", rb"")),
    ),
    Row(
        "unbound", "libevent in threads; TCP only (`do-udp: no`), because every worker really binds UDP ports",
        apt="unbound", command="unbound -d -d -p -c {dir}/unbound.conf", files={"unbound.conf": """
server:
	interface: 127.0.0.1@{port}
	do-udp: no
	username: ""
	chroot: ""
	directory: {dir}
	use-syslog: no
	local-zone: "test." static
	local-data: "a.test. A 192.0.2.1"
remote-control:
	control-enable: no
"""}, ask=DNS,
    ),
    Row(
        "nsd", "forked children; `reuseport: yes` lets all workers bind the UDP port", apt="nsd",
        shell="exec nsd -d -P $W/pid -f $W/db -c {dir}/nsd.conf", files={"nsd.conf": """
server:
	ip-address: 127.0.0.1@{port}
	reuseport: yes
	server-count: 2
	username: ""
	zonesdir: {dir}
	xfrdfile: ""
	zonelistfile: "{dir}/zone.list"
remote-control:
	control-enable: no
zone:
	name: test
	zonefile: test.zone
""", "test.zone": ZONE}, ask=DNS,
    ),
    Row(
        "BIND named", "libuv; all workers bind the UDP port with `SO_REUSEPORT`. No `controls`, no pid file. It listens before it has"
        " loaded its zones, so that the first answers of a new worker may be SERVFAIL",
        apt="bind9", same_fds=False, command="named -f -c {dir}/named.conf -n 2", files={"named.conf": """
options {
	directory "{dir}";
	listen-on port {port} { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	session-keyfile none;
	recursion no;
	version "hello from named";
};
controls { };
"""}, ask=Talk((b"\0\x1e\x12\x34\1\0\0\1\0\0\0\0\0\0\7version\4bind\0\0\x10\0\3", rb"hello from named|^\x00\x1e\x12\x34.[\x02\x05]")),
    ),
    Row(
        "Knot DNS", "threads; all workers bind the UDP port with `SO_REUSEPORT`. Each needs its own `rundir` and storage",
        apt="knot", files={"knot.conf": """
server:
    rundir: .
    listen: 127.0.0.1@{port}
    tcp-workers: 2
    udp-workers: 1
    background-workers: 1
database:
    storage: .
zone:
  - domain: test
    file: {dir}/test.zone
""", "test.zone": ZONE}, shell="exec knotd -c {dir}/knot.conf", ask=DNS,
    ),
]
