"""The rows, in the order of docs/apps.md."""

from . import data, net, node, proxies, python, web

ROWS = web.ROWS + proxies.ROWS + node.ROWS + python.ROWS + data.ROWS + net.ROWS
