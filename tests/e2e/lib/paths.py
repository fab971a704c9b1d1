"""Where things are."""

import os

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOT = os.path.dirname(TESTS)
# The test's matter, not its workers': what they inherit must not look like the broker's own.
BUILD = os.path.abspath(os.environ.pop("BROKER_BUILD", os.path.join(ROOT, "build")))
APPS = os.path.join(BUILD, "apps")


def broker_program():
    return os.path.join(BUILD, "broker")


def app(name, *arguments):
    """The command of one of our own servers, built from tests/apps; "{port}" unless given."""
    return [os.path.join(APPS, name)] + [str(a) for a in arguments or ("{port}",)]
