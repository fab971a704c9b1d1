"""The rows, by the headings that they have in docs/apps.md."""

from . import data, languages, net, node, proxies, python, web

GROUPS = {
    "Web servers": web.ROWS,
    "Proxies and relays": proxies.ROWS,
    "node": node.ROWS,
    "Python": python.ROWS,
    "Java, Ruby, Perl, PHP and other languages": languages.ROWS,
    "Databases, queues, directories, name servers": data.ROWS,
    "Mail, files, shells, chat and other protocols": net.ROWS,
    "Refused": languages.REFUSED,
}
ROWS = [row for rows in GROUPS.values() for row in rows]
