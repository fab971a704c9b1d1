#!/usr/bin/env python3
"""The documents say what the program does: what can be compared is compared."""

import glob
import os
import re
import shlex
import sys

from harness import *
from lib.ctl import ctl


def read(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()


def sources(*patterns):
    names = []
    for pattern in patterns:
        names += glob.glob(os.path.join(ROOT, pattern), recursive=True)
    assert names, patterns
    return sorted(names)


def documents():
    return [os.path.relpath(p, ROOT) for p in sources("README.md", "docs/*.md")]


def same(one, other, what):
    one, other = set(one), set(other)
    assert one == other, "%s: only in the first: %s; only in the second: %s" % (
        what, sorted(one - other), sorted(other - one),
    )


def section(heading, page="docs/man/broker.8"):
    found = re.search(r"^\.Sh %s\n(.*?)(?=^\.Sh |\Z)" % heading, read(page), re.M | re.S)
    assert found, "no section %s in %s" % (heading, page)
    return found.group(1)


def blocks(document, kind):
    """(line, text) of each ```kind block."""
    for m in re.finditer(r"^```%s\n(.*?)^```$" % kind, read(document), re.M | re.S):
        yield m.group(1)


# --- broker(8) ------------------------------------------------------------------------------------


@test
def the_manual_page_has_the_options_of_the_program():
    help_text = broker_cli("-h").stdout
    helped = set(re.findall(r"^ +(-\w|--[\w-]+)", help_text, re.M)) | set(
        re.findall(r"^ +-\w, (-\w)", help_text, re.M)
    )
    items = re.findall(r"^\.It Fl (.*)$", section("DESCRIPTION"), re.M)
    paged = set()
    for item in items:
        words = re.findall(r"(?:^|, Fl )(\\-[\w-]+|\w)", item)
        paged |= {"-" + word.replace("\\", "") for word in words}
    same(helped, paged - {"--version", "--help"}, "broker -h and broker(8)")
    code = read("broker/main.c")
    longs = re.findall(r'{ "([\w-]+)", (?:no|required)_argument', code)
    same(["--" + w for w in longs], [w for w in paged if w.startswith("--")], "main.c and broker(8)")
    shorts = re.search(r'getopt_long\(argc, argv, "\+([\w:]+)"', code).group(1).replace(":", "")
    same(["-" + c for c in shorts], [w for w in paged if len(w) == 2], "main.c and broker(8)")


@test
def the_manual_page_has_the_exit_codes():
    enum = re.search(r"enum exit_code {(.*?)};", read("broker/start.h"), re.S).group(1)
    codes = re.findall(r"EXIT_CODE_\w+ = (\d+)", enum)
    assert len(codes) >= 5, enum
    same(codes, re.findall(r"^\.It (\d+)$", section("EXIT STATUS"), re.M), "types.h and broker(8)")
    same(codes, re.findall(r"^\| (\d+) \|", read("README.md"), re.M), "master.h and README.md")


@test
def the_manual_page_has_the_signals():
    handled = re.search(r"signals_handled\[\] = {(.*?)};", read("broker/run.c"), re.S).group(1)
    items = " ".join(re.findall(r"^\.It Dv (.*)$", section("SIGNALS"), re.M))
    same(re.findall(r"SIG\w+", handled.replace("SIGCHLD,", "")), re.findall(r"SIG\w+", items), "run.c and broker(8)")


# --- brokerctl(1) ---------------------------------------------------------------------------------

PAGE = "docs/man/brokerctl.1"


def ctl_help(*arguments):
    got = ctl("help", *arguments)
    assert got.returncode == 0, got
    return got.stdout


def ctl_commands():
    """{name: its usage}, as brokerctl has them."""
    heads = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?= \[| [A-Z|a-z]+\||  |$| [A-Z])", ctl_help(), re.M)
    commands = {}
    for first in {head.split()[0] for head in heads}:
        for usage in re.findall(r"^usage: brokerctl (.*)$", ctl_help(first), re.M):
            name = next(h for h in sorted(heads, key=len, reverse=True) if (usage + " ").startswith(h + " "))
            commands[name] = usage
    assert len(commands) >= 20 and "reload abort" in commands, commands
    return commands


def ctl_items():
    """{name: its line}, as the manual page has them."""
    items = re.findall(r"^\.It Ic ([a-z]+(?: [a-z]+)?)(?: (.*))?$", section("DESCRIPTION", PAGE), re.M)
    assert len(items) == len(dict(items)), items
    return dict(items)


@test
def the_page_of_brokerctl_has_its_commands_with_their_options_and_arguments():
    commands, items = ctl_commands(), ctl_items()
    same(commands, items, "brokerctl help and brokerctl(1)")
    for name, usage in commands.items():
        own = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", usage))
        page = {"-" + word.replace("\\", "") for word in re.findall(r"Fl (\\?-?[a-z][\w-]*)", items[name])}
        same(own, page, "options of " + name)
        same(re.findall(r"\b[A-Z]+\b", usage), re.findall(r"\b[A-Z]+\b", items[name]), "arguments of " + name)


@test
def the_page_of_brokerctl_has_its_own_options():
    helped = re.findall(r"^  (-\w|--\w+)(?:, (--\w+))?", ctl_help(), re.M)
    helped = {word for words in helped for word in words if word}
    options = section("DESCRIPTION", PAGE).partition(".Ss")[0]
    items = re.findall(r"^\.It Fl (\S+)(?:.*?, Fl (\S+))?", options, re.M)
    same(helped, {"-" + w.replace("\\", "") for words in items for w in words if w}, "help and brokerctl(1)")


@test
def the_page_of_brokerctl_has_its_exit_codes():
    enum = re.search(r"enum ctl_exit {(.*?)};", read("broker/ctl/ask.h"), re.S).group(1)
    codes = re.findall(r"CTL_\w+ = (\d+)", enum)
    assert len(codes) == 8, enum
    same(codes, re.findall(r"^\.It (\d+)$", section("EXIT STATUS", PAGE), re.M), "ctl.h and brokerctl(1)")
    said = ctl_help().partition("Exit status:")[2]
    same(codes, re.findall(r"\b\d+\b", said), "ctl.h and brokerctl help")


@test
def what_may_be_looked_at_is_marked_in_the_page_of_brokerctl():
    table = read("broker/policy/command.c")
    readers = set(re.findall(r'COMMAND_\w+, "([\w ]+)", RIGHT_READ', table)) - {"help"}
    parts = re.split(r"^\.It Ic ([a-z]+(?: abort)?)", section("DESCRIPTION", PAGE), flags=re.M)[1:]
    marked = {name for name, text in zip(parts[::2], parts[1::2]) if "control_group" in text}
    same(readers | {"reload"}, marked, "command.c and brokerctl(1)")


def calls(text, name):
    """The arguments of each call, as text."""
    for m in re.finditer(r"\b%s\(" % name, text):
        depth, quoted, arguments, start, i = 1, False, [], m.end(), m.end()
        while depth:
            c = text[i]
            if quoted:
                i += c == "\\"
                quoted = c != '"'
            elif c == '"':
                quoted = True
            else:
                depth += (c in "({[") - (c in ")}]")
            if not depth or (c == "," and depth == 1 and not quoted):
                arguments.append(text[start:i])
                start = i + 1
            i += 1
        yield arguments


def events_of_the_code():
    """{word: (levels, fields)}"""
    events = {}
    for path in sources("broker/**/*.c"):
        for arguments in calls(read(path), "log_event"):
            words = re.findall(r'"([a-z-]+)"', arguments[1])
            assert words, "%s: a log_event() whose word is not in the call: %s" % (path, arguments[:2])
            for word in words:
                levels, fields = events.setdefault(word, (set(), set()))
                levels |= {level.lower() for level in re.findall(r"LEVEL_(\w+)", arguments[0])}
                rest = ",".join(arguments[2:])
                fields |= set(re.findall(r'LOG_(?:STR|INT|BOOL)\((?:[^",()]*\? )?"(\w+)"', rest))
                fields |= set(re.findall(r'\.key = "(\w+)"', rest))
                if "LOG_WORKER" in rest or "LOG_TAKER" in rest:
                    fields |= {"service", "worker", "pid", "generation"}
                if "LOG_SERVICE" in rest:
                    fields.add("service")
    return events


@test
def the_manual_page_has_every_event_with_its_levels_and_fields():
    table = {}
    pattern = r"^\.It Li ([a-z-]+)\nLevel: ([^.\n]+)\.\nFields: ([^.]+)\.\n\.Pp\n"
    for word, levels, fields in re.findall(pattern, section("LOG EVENTS"), re.M):
        assert word not in table, "%s is there twice" % word
        fields = set() if fields == "none" else set(re.split(r",\s+", fields))
        table[word] = (set(levels.split(", ")), fields)
    code = events_of_the_code()
    same(code, table, "events in broker/ and in broker(8)")
    for word, (levels, fields) in code.items():
        same(levels, table[word][0], "levels of " + word)
        same(fields, table[word][1], "fields of " + word)


@test
def pages_that_pages_name_exist():
    pages = sources("docs/man/*.[1-8]", "docs/man/*.[1-8].in")
    names = {re.sub(r"\.in$", "", os.path.basename(path)) for path in pages}
    for path in pages:
        for name, number in re.findall(r"^\.Xr (broker[\w.]*|worker-shim) (\d)", read(path), re.M):
            assert "%s.%s" % (name, number) in names, (path, name)


# --- configurations and commands --------------------------------------------------------------------


def check_config(text, where):
    path = write_file("broker.ini", text)
    # Not -t: the programs in it need not be here.
    got = broker_cli("--print-config", "-c", path)
    assert got.returncode == 0, "%s:\n%s\n%s" % (where, text, got.stderr)


@test
def configurations_in_the_documents_are_valid():
    n = 0
    for document in documents():
        for text in blocks(document, "ini"):
            check_config(text, document)
            n += 1
    for text in re.findall(r"^\.Bd -literal.*?\n(\[.*?)^\.Ed", read("docs/man/broker.8"), re.M | re.S):
        check_config(text, "broker.8")
        n += 1
    assert n >= 10, n


@test
def commands_in_the_documents_are_valid():
    n = 0
    lines = [line for document in documents() for text in blocks(document, "sh") for line in text.splitlines()]
    lines += re.findall(r"^\.Dl (broker .*)$", read("docs/man/broker.8").replace("\\(dq", '"').replace("\\-", "-"), re.M)
    targets = set(re.findall(r"^([\w-]+):", read("Makefile"), re.M))
    for line in lines:
        words = shlex.split(line)
        if words[:1] == ["broker"]:
            n += 1
            if "-c" in words:
                words[words.index("-c") + 1] = write_file("broker.ini", "[service:web]\ncommand = x\n")
            got = broker_cli("--print-config", *[w for w in words[1:] if w != "-t"])
            assert got.returncode == 0, "%s\n%s" % (line, got.stderr)
        elif words[:1] == ["brokerctl"]:
            n += 1
            # Understood, and then nobody was there; top asks for its terminal first.
            got = ctl(*words[1:], env={"BROKER_CONTROL": "/nowhere"})
            assert got.returncode in (0, 3) or "needs a terminal" in got.stderr, "%s\n%s" % (line, got.stderr)
        elif words[:1] == ["make"]:
            n += 1
            assert set(words[1:]) <= targets, line
    assert n >= 6, lines
    for document in documents():
        for target in re.findall(r"`make ([a-z][\w-]*)`", read(document)):
            assert target in targets, "%s: make %s" % (document, target)


@test
def every_recipe_is_run_by_a_test():
    """tests/apps/test_recipes.py needs root and the programs; whether it knows them all is seen here."""
    sys.path.insert(0, os.path.join(ROOT, "tests", "apps"))
    import recipe_apps
    import recipes

    known, found = set(), recipes.recipes()
    assert len(found) > 30, [recipe.name for recipe in found]
    for recipe in found:
        for name, keys in recipe.services.items():
            app = recipe_apps.app_of(keys["command"])
            assert app, "%s: no app for %s in tests/apps/recipe_apps.py" % (recipe.name, keys["command"])
            known.add(app)
    unused = [command for command, app in recipe_apps.APPS.items() if app not in known]
    assert not unused, "in recipe_apps.py, but in no recipe: %s" % unused
    for text in [recipe.text for recipe in found] + list(recipes.page_files().values()):
        dangerous = recipes.DANGEROUS.search(text)
        assert not dangerous, "would delete a device: " + dangerous.group()


# --- what the documents refer to ---------------------------------------------------------------------


def anchors(document):
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", read(document), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@test
def links_between_the_documents_lead_somewhere():
    n = 0
    for document in documents():
        for link in re.findall(r"\]\(([^)\s]+)\)", read(document)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(document), name)) if name else document
            assert os.path.exists(os.path.join(ROOT, target)), "%s: %s" % (document, link)
            assert not anchor or anchor in anchors(target), "%s: %s" % (document, link)
            n += 1
    assert n > 10, n


@test
def files_and_functions_that_the_documents_name_exist():
    code = "".join(read(p) for p in sources("broker/**/*.[ch]", "worker-shim/**/*.[ch]", "include/*.h"))
    own = re.compile(r"\b(?:broker|worker-shim|include|tests|docs)/[\w./-]+\.(?:c|h|py|md|js|ini)\b(?!\.\d)")
    for document in documents():
        text = read(document)
        for name in own.findall(text):
            assert os.path.exists(os.path.join(ROOT, name)), "%s: %s" % (document, name)
        if document != "docs/architecture.md":
            continue
        for function in re.findall(r"`(\w+_\w+|dispatch|give|stall)\(\)`", text):
            assert re.search(r"\b%s\(" % function, code), "%s: %s()" % (document, function)
        files = {os.path.basename(p) for p in sources("broker/**/*.c", "worker-shim/**/*.c")}
        named = set(re.findall(r"`(?:[\w-]+/)*([\w*]+\.c)`", text))
        for name in named:
            assert name in files or "*" in name, "%s: %s" % (document, name)


@test
def every_room_is_on_the_page():
    rows = re.findall(r"^\| `(\w+)/` \|", read("docs/architecture.md"), re.M)
    rooms = {os.path.basename(os.path.dirname(p)) for p in sources("broker/*/*.c")}
    same(rooms - {"ctl"}, rows, "directories of broker/ and architecture.md")


@test
def every_header_says_what_its_file_is_for():
    for path in sources("broker/**/*.h", "worker-shim/**/*.h", "include/*.h"):
        name = os.path.basename(path)[:-2]
        if name == "types":
            name = os.path.basename(os.path.dirname(path))
        assert re.match(r"/\*\n \* %s(\.h)? - \w" % name, read(path)), path


# --- figures -------------------------------------------------------------------------------------------

# Document, what it says with the figure in parentheses, and the constant that defines it, in its unit.
FIGURES = [
    ("architecture", r"has a timer of (\d+) ms", "broker/core/broker.c", "WATCH_MS", 1),
    ("architecture", r"the endpoint rests for (\d+) ms", "broker/dispatch/flow.c", "FLIGHT_LIMIT_MS", 1),
    ("architecture", r"descriptors or memory are short \((\d+) ms\)", "broker/dispatch/flow.c", "SHORTAGE_MS", 1),
    ("architecture", r"up to (\d+) at a time", "broker/dispatch/endpoint.c", "DISPATCH_BUDGET", 1),
    ("architecture", r"up to (\d+) of the others are accepted", "broker/dispatch/types.h", "ENDPOINT_AHEAD_MAX", 1),
    ("architecture", r"the verdict waits (\d+) ms", "broker/dispatch/channel.c", "VERDICT_MS", 1),
    ("architecture", r"it drains \| only what it leaves there for (\d+) ms", "broker/service/watch.c", "STUCK_MS", 1),
    ("architecture", r"have all been full for (\d+) seconds", "broker/service/watch.c", "FULL_MS", 1000),
    ("architecture", r"Every (\d+) ms `closing_step", "broker/service/listeners.c", "CLOSING_STEP_MS", 1),
    ("architecture", r"waits in a buffer of (\d+) KiB", "broker/sys/log.c", "BACKLOG_SIZE", 1024),
    ("architecture", r"is read (\d+) bytes in a turn", "broker/worker/output.c", "OUTPUT_TURN", 1),
    ("protocol", r"has not done so within (\d+) seconds", "broker/service/rendezvous.c", "GREETING_MS", 1000),
    ("protocol", r"a memfd of (\d+) bytes", "include/handoff_page.h", "HANDOFF_PAGE_SIZE", 1),
    ("protocol", r"at least (\d+) bytes, SHOULD", "include/handoff_wire.h", "HANDOFF_MAX_SIZE", 1),
    ("control", r"at most (\d+) bytes with its newline", "broker/control/control.h", "CONTROL_REQUEST_MAX", 1),
    ("control", r"(\d+) clients may be connected", "broker/core/broker.h", "CONTROL_CLIENTS_MAX", 1),
    ("control", r"at most (\d+) ms old", "broker/service/survey.c", "FRESH_MS", 1),
    ("metrics", r"at most (\d+) clients at a time", "broker/core/broker.h", "WEB_CLIENTS_MAX", 1),
    ("metrics", r"(\d+) seconds for all of it", "broker/web/web.c", "EXCHANGE_MS", 1000),
    ("metrics", r"(\d+) KiB of request", "broker/policy/http.h", "HTTP_HEAD_MAX", 1024),
    ("architecture", r"it has (one) more second", "broker/service/greeting.c", "SETTLE_MS", 1000),
    ("architecture", r"it waits at most (a) second", "broker/service/listeners.c", "HANDSHAKE_MS", 1000),
    ("protocol", r"more than (\d+) such connections", "broker/service/rendezvous.c", "MAX_GREETINGS", 1),
    ("protocol", r"ADOPT SHOULD arrive within (\d+) ms", "broker/dispatch/channel.c", "VERDICT_MS", 1),
    ("protocol", r"waits (\d+) s in `listen\(\)`", "include/handoff_meet.h", "HANDOFF_MEET_LISTEN_MS", 1000),
    ("protocol", r"and (\d+) s for ADOPT", "include/handoff_meet.h", "HANDOFF_MEET_ADOPT_MS", 1000),
    ("control", r"drops it after (five) seconds", "broker/sys/stream.h", "STREAM_STALL_MS", 1000),
    ("control", r"events, at most (a thousand)", "broker/policy/event_ring.h", "EVENT_RING_MAX", 1),
    ("control", r"slices of (\d+) µs", "broker/policy/pace.h", "PACE_SLICE_NS", 1000),
    ("architecture", r"slices of (\d+) µs", "broker/policy/pace.h", "PACE_SLICE_NS", 1000),
    ("architecture", r"rests from it for (\d+) times", "broker/policy/pace.h", "PACE_EVIDENCE", 1),
    ("architecture", r"A round begins (\d+) ms after", "broker/service/survey.c", "ROUND_MS", 1),
    ("architecture", r"a round counts (\d+) of them", "broker/worker/types.h", "WORKER_OPEN_MAX", 1),
    ("architecture", r"looked at again, for (\d+) seconds", "broker/service/survey.c", "WITNESS_MS", 1000),
    ("control", r"nothing has changed for (half a) second", "broker/control/roll.c", "WAIT_MS", 1000),
    ("man/brokerctl.1", r"events, at most (a thousand)", "broker/policy/event_ring.h", "EVENT_RING_MAX", 1),
    ("man/broker.8", r"workers have been full for (\d+) seconds", "broker/service/watch.c", "FULL_MS", 1000),
    ("man/broker.ini.5.in", r"text of at most (\d+) MiB", "broker/config/types.h", "CONF_FILE_MAX", 1 << 20),
    ("man/broker.ini.5.in", r"Up to (\d+) services", "broker/config/types.h", "CONF_SERVICES_MAX", 1),
    ("man/broker.ini.5.in", r"up to (\d+) letters", "broker/config/types.h", "SERVICE_NAME_MAX", 1),
    ("man/broker.ini.5.in", r"A list has at most (\d+) entries", "broker/config/types.h", "CONF_LIST_MAX", 1),
    ("man/broker.ini.5.in", r"at once \(up to (\d+)\)", "broker/config/types.h", "CONF_ERRORS_MAX", 1),
]
IN_WORDS = {"a": 1, "one": 1, "half a": 0.5, "five": 5, "a thousand": 1000}


@test
def figures_that_the_code_defines_are_those_of_the_code():
    for document, pattern, path, constant, unit in FIGURES:
        page = "docs/" + (document if "." in document else document + ".md")
        said = re.findall(pattern, re.sub(r"\s+", " ", read(page)))
        assert len(said) == 1, "%s: %r is there %d times" % (page, pattern, len(said))
        value = re.search(r"#define %s\s+(?:\\\n\s*)?([\d()*<+ ]+)" % constant, read(path)).group(1)
        figure = IN_WORDS[said[0]] if said[0] in IN_WORDS else int(said[0])
        assert eval(value) == figure * unit, (document, pattern, said[0], constant, value.strip())


# --- the protocol --------------------------------------------------------------------------------------


@test
def the_protocol_page_has_the_types_and_sizes_of_the_header():
    header = read("include/handoff_wire.h")
    types = dict(re.findall(r"HANDOFF_([A-Z]+) = (\d+),", re.search(r"enum handoff_type {(.*?)}", header, re.S).group(1)))
    rows = re.findall(r"^\| ([A-Z]+) \| (\d+) \| (\d+) \|", read("docs/protocol.md"), re.M)
    same(types.items(), [(name, number) for name, number, _ in rows], "handoff_wire.h and protocol.md")
    for name, _, size in rows:
        asserted = re.search(r"sizeof\(struct handoff_%s\) == (\d+)" % name.lower(), header)
        assert not asserted or asserted.group(1) == size, (name, size)
    version = re.search(r"#define HANDOFF_VERSION (\d+)", header).group(1)
    assert read("docs/protocol.md").startswith("# The handoff protocol, version %s\n" % version)


@test
def the_variables_of_a_worker_are_documented():
    names = re.findall(r'#define HANDOFF_ENV_\w+\s+"(\w+)"', read("include/handoff_wire.h"))
    assert len(names) >= 7, names
    for document in ("docs/protocol.md", "docs/man/broker.8", "docs/man/worker-shim.1"):
        for name in names:
            assert name in read(document), "%s is not in %s" % (name, document)


@test
def the_worker_in_the_protocol_page_works():
    (program,) = blocks("docs/protocol.md", "python")
    path = write_file("worker.py", program)
    broker = Broker([sys.executable, path], environment="PORT={port}", timeout=20)

    def who():
        answer = http_get(broker.port).body
        answer = answer if isinstance(answer, str) else answer.decode()
        return re.search(r"connection \d+ from port \d+, pid (\d+)", answer).group(1)

    old = [who() for _ in range(4)]
    assert len(set(old)) == 2 and old[:2] == old[2:], old
    broker.reload_and_wait()
    new = [who() for _ in range(4)]
    assert len(set(new)) == 2 and not set(new) & set(old), (old, new)


main()
