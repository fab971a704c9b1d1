"""Behind inetd: one answer. What it imports is what a small service of the standard library imports."""

import datetime
import email.message
import json
import logging
import os
import sys
import urllib.parse

for line in sys.stdin.buffer:
    if line == b'\r\n':
        break
body = f'pid {os.getpid()}\n'
sys.stdout.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n'
                 f'Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}')
