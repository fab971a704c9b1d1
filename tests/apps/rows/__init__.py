"""The rows, in the order of docs/apps.md."""

from . import data, languages, net, node, proxies, python, web

ROWS = web.ROWS + proxies.ROWS + node.ROWS + python.ROWS + languages.ROWS + data.ROWS + net.ROWS + languages.REFUSED
