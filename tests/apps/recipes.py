"""
The recipes of the documents: each configuration that they show, with the files that belong to it.

A recipe is an ini block with a service, in a page or in a manual page, or a file of docs/examples. A
block of another kind is a file if its first line is a comment that is a path below /srv.
"""

import glob
import os
import re

from lib.paths import ROOT

DEBUGGING = "docs/debugging.md"  # typed whole by test_debugging_doc.py
# What a program deletes or replaces must not be a device: pid and lock files.
DANGEROUS = re.compile(r"(?im)^(?! *[#/]).*(?:pid|lock)[\w-]*[ =\"':]+/dev/")


def read(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()


class Recipe:
    """name: the document and its services. text: the configuration. services: {name: {key: value}}."""

    def __init__(self, document, text):
        self.document, self.text, self.services, defaults = document, text, {}, {}
        keys = {}
        for line in text.splitlines():
            section = re.match(r"\[(?:service:)?(\w+)\]", line)
            setting = re.match(r"(\w[\w.]*) *= *(.*?)(?: +#.*)?$", line)
            if section:
                named = line.startswith("[service:")
                keys = self.services.setdefault(section.group(1), dict(defaults)) if named else {}
                defaults = keys if section.group(1) == "defaults" else defaults
            elif setting:
                keys[setting.group(1)] = setting.group(2).strip()
        self.name = "%s: %s" % (document, ", ".join(self.services))


def _from(document):
    text = read(document)
    if document.endswith(".ini"):
        return [text]
    if document.endswith(".md"):
        return re.findall(r"^```ini\n(.*?)^```$", text, re.M | re.S)
    return re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S)


def documents():
    names = ["README.md"]
    for pattern in ("docs/*.md", "docs/examples/*.ini", "docs/man/*.[1-8]", "docs/man/*.[1-8].in"):
        names += sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, pattern)))
    return [name for name in names if name != DEBUGGING]


def recipes():
    found = [Recipe(name, text) for name in documents() for text in _from(name)]
    return [recipe for recipe in found if any("command" in keys for keys in recipe.services.values())]


def page_files():
    """{path: text} of the blocks that are files."""
    text = "".join(read(name) for name in documents() if name.endswith(".md"))
    blocks = re.findall(r"^```\w*\n((?:#|//) (/srv/\S+)\n.*?)^```$", text, re.M | re.S)
    return {path: body for body, path in blocks}
