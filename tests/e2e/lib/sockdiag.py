"""
The TCP sockets of this machine, asked of the kernel by sock_diag(7).

/proc/net/tcp says the same, but writes a line for every connection that was closed in the last
minute too. After a load test that is a hundred thousand, and reading them has taken half a minute
beside other load: longer than the clients of the test are willing to wait.
"""

import collections
import socket
import struct

ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT = 1, 2, 3, 4, 5, 6
CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING = 7, 8, 9, 10, 11

# Those in which a process may hold a connection.
CONNECTED = (ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK, CLOSING)

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_REQUEST = struct.Struct("=BBBBI48x")  # inet_diag_req_v2
_MESSAGE = struct.Struct("=BBBB2s2s44xIIIII")  # inet_diag_msg, the ports in network order

Socket = collections.namedtuple("Socket", "inode state port peer")


def tcp(port, states):
    """
    The sockets, IPv4 and IPv6, with local `port` in one of `states`. The inode is that of
    /proc/PID/fd; 0: no process has it, because nobody has accepted it yet or it was closed.
    """
    mask = sum(1 << state for state in states)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as sock:
        found = _dump(sock, socket.AF_INET, mask) + _dump(sock, socket.AF_INET6, mask)
    return [s for s in found if s.port == port]


def _dump(sock, family, mask):
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, mask)
    length = _HEADER.size + len(request)
    flags = NLM_F_REQUEST | NLM_F_DUMP
    sock.sendto(_HEADER.pack(length, SOCK_DIAG_BY_FAMILY, flags, 0, 0) + request, (0, 0))
    found = []
    while True:
        data = sock.recv(1 << 16)
        assert data, "sock_diag: end of file"
        while data:
            length, kind = _HEADER.unpack_from(data)[:2]
            if kind == NLMSG_DONE:
                return found
            if kind == NLMSG_ERROR:
                error = -struct.unpack_from("=i", data, _HEADER.size)[0]
                raise OSError(error, "sock_diag")
            m = _MESSAGE.unpack_from(data, _HEADER.size)
            local, peer = int.from_bytes(m[4], "big"), int.from_bytes(m[5], "big")
            found.append(Socket(m[10], m[1], local, peer))
            data = data[(length + 3) & ~3 :]
