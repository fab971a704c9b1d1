"""The rows, by the headings that they have in docs/apps.md."""

from . import activated, data, languages, net, node, proxies, python, unix, web

GROUPS = {
    "Web servers": web.ROWS,
    "Proxies and relays": proxies.ROWS,
    "node": node.ROWS,
    "Python": python.ROWS,
    "Java, Ruby, Perl, PHP and other languages": languages.ROWS,
    "Databases, queues, directories, name servers": data.ROWS,
    "Mail, files, shells, chat and other protocols": net.ROWS,
    "Programs that are started with their sockets": activated.ROWS,
    "Programs on Unix sockets": unix.ROWS,
    "Go": languages.GO,
}
ROWS = [row for rows in GROUPS.values() for row in rows]
