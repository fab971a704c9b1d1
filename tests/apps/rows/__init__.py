"""The rows, in the order of docs/apps.md."""

from . import proxies, web

ROWS = web.ROWS + proxies.ROWS
