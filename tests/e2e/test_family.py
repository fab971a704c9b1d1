#!/usr/bin/env python3
"""The family of addresses in programs that an app executes for each connection."""

import shutil

from harness import *

# An inetd in small: an AF_INET listener, and for each client a program with it on 0 and 1.
SERVER = """
use Socket;
socket(S, PF_INET, SOCK_STREAM, 0) or die;
setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in($ARGV[0], INADDR_ANY)) or die "bind: $!";
listen(S, 64) or die "listen: $!";
$SIG{CHLD} = "IGNORE";
while (1) {
	accept(C, S) or next;
	if (!fork) {
		open STDIN, "<&", \\*C;
		open STDOUT, ">&", \\*C;
		exec "env", "-i", "perl", $ARGV[1] or die;
	}
	close C;
}
"""
CHILD = """
use Socket;
my ($port, $ip) = unpack_sockaddr_in(getpeername(STDIN)); # dies of any other length
my ($own_port) = unpack_sockaddr_in(getsockname(STDIN));
$| = 1;
print "HTTP/1.0 200 OK\\r\\n\\r\\npeer ", inet_ntoa($ip), " $port at $own_port\\n";
sysread(STDIN, my $request, 4096);
"""


@test
def an_inetd_with_an_ipv4_socket_has_children_with_one():
    if not shutil.which("perl"):
        skip("needs perl")
    server = write_file("server.pl", SERVER)
    child = write_file("child.pl", CHILD)
    # [::], with IPv4: the broker knows nothing of the app yet.
    broker = Broker(["perl", server, "3999", child], workers=2, listen="{port} for 3999")
    for _ in range(10):
        with connect(broker.port) as client:
            send_request(client)
            body = read_answer(client).body
            assert body == "peer 127.0.0.1 %d at %d\n" % (client.getsockname()[1], broker.port), body


main()
