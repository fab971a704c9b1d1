#!/usr/bin/env python3
"""
The order of the source tree, checked in the source and in the objects that were built of it: what a
file may include and call, and how long it may be. A rule that only people remember is broken one
day.
"""

import functools
import glob
import os
import re
import shutil
import subprocess

from harness import *

# The rooms of broker/, each using only those before it; last the files of broker/ itself. ctl is
# another program, brokerctl, on top of the rooms that both have.
SHARED = "base config policy sys".split()
ROOMS = SHARED + "core dispatch worker service master report control web".split()
TOP = "broker"

PURE_ROOMS = ("broker/base/*.c", "broker/config/*.c", "broker/policy/*.c")

# What computes and nothing else. The check is made on the objects, so that no macro hides a call.
PURE = set(
    """
    memchr memcmp memcpy memmem memmove memset memrchr mempcpy rawmemchr bcmp
    strcasestr strchr strrchr strchrnul strcmp strncmp strcasecmp strncasecmp strlen strnlen strcpy strncpy
    stpcpy strcat strstr strspn strcspn strpbrk strsep strtok_r strdup strndup
    strtol strtoul strtoll strtoull isoc23_strtol isoc23_strtoul isoc23_strtoll isoc23_strtoull
    snprintf vsnprintf vasprintf sscanf isoc99_sscanf isoc23_sscanf
    qsort bsearch malloc calloc realloc free
    ctype_b_loc ctype_tolower_loc ctype_toupper_loc tolower toupper isdigit isalpha isalnum isspace
    inet_pton inet_ntop errno_location fnmatch
    assert_fail stack_chk_fail
    """.split()
)

# The compiler's and the linker's own.
BUILT_IN = re.compile(r"_GLOBAL_OFFSET_TABLE_$|__(asan|ubsan|tsan|msan|lsan|sanitizer)_")

PRINTS = set(
    """
    printf vprintf fprintf vfprintf dprintf vdprintf puts fputs putchar fputc putc fwrite perror
    stderr stdout syslog vsyslog
    """.split()
)
STARTS = {"fork", "vfork", "clone", "posix_spawn", "posix_spawnp", "system", "popen", "daemon"}
KILLS = {"kill", "killpg", "tgkill", "raise", "pthread_kill", "sigqueue"}
# What may ask a server somewhere, and wait for it.
ASKS = set(
    """
    getpwnam getpwuid getpwent getpwnam_r getpwuid_r getgrnam getgrgid getgrent getgrnam_r getgrgid_r getgrouplist
    initgroups getlogin getlogin_r getaddrinfo getnameinfo gethostbyname gethostbyname2 gethostbyaddr gethostbyname_r
    getservbyname getservbyport getprotobyname getnetbyname getnetgrent innetgr wordexp glob cuserid
    """.split()
)
ENDS = {"exit", "_exit", "_Exit", "quick_exit", "abort", "err", "errx"}


def sources(*patterns):
    found = [f for p in patterns for f in glob.glob(os.path.join(ROOT, p))]
    assert found, "no source matches %s" % (patterns,)
    return sorted(os.path.relpath(f, ROOT) for f in found)


def object_of(source):
    path = os.path.join(BUILD, "obj", source[:-2] + ".o")
    assert os.path.exists(path), "%s was not built: make tests-build" % path
    return path


@functools.lru_cache(maxsize=None)  # most rules are about the same objects
def nm(*arguments):
    if not shutil.which("nm"):
        skip("no nm here: binutils")
    return subprocess.run(
        ["nm", *arguments], stdout=subprocess.PIPE, check=True, universal_newlines=True
    ).stdout


def plain(symbol):
    """Without what FORTIFY and libc put around a name: __printf_chk is printf."""
    if symbol in ENDS:
        return symbol
    symbol = symbol.split("@")[0]
    return re.sub(r"^__(.*?)(_chk)?$", r"\1", symbol)


def imports(source):
    """What the object needs from elsewhere."""
    names = [line.split()[-1] for line in nm("-u", object_of(source)).splitlines() if line.strip()]
    return {plain(n) for n in names if not BUILT_IN.match(n)}


def definitions(*files):
    lines = [l.split() for f in files for l in nm("--defined-only", object_of(f)).splitlines()]
    return {l[2] for l in lines if len(l) == 3}


def exports(source):
    """What other objects can use of this one."""
    lines = [l.split() for l in nm("--defined-only", "--extern-only", object_of(source)).splitlines()]
    return {l[2] for l in lines if len(l) == 3}


def room_of(source):
    parts = source.split("/")
    if len(parts) == 2:
        return TOP
    assert parts[1] in ROOMS + ["ctl"], "%s: a directory without a place in the house" % source
    return parts[1]


def may_use(source, used):
    """Whether a file may include, or call what is in, another: its own room, or one before it."""
    ours, theirs = room_of(source), room_of(used)
    if "ctl" in (ours, theirs):
        return ours == "ctl" and theirs in SHARED + ["ctl"]
    order = ROOMS + [TOP]
    return order.index(theirs) <= order.index(ours)


def circles(arrows):
    """Of {name: {names}} the sets that reach each other, each as a sorted list."""
    reach = {}
    for start in arrows:
        seen, todo = set(), list(arrows[start])
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo.extend(arrows.get(name, ()))
        reach[start] = seen
    found = {tuple(sorted(n for n in reach[s] if s in reach.get(n, ()))) for s in reach if s in reach[s]}
    return sorted(found)


def resolve(source, included):
    """An include is written from its own directory, from broker/, worker-shim/ or include/."""
    for base in (os.path.dirname(source), "broker", "worker-shim", "include"):
        path = os.path.normpath(os.path.join(base, included))
        if os.path.exists(os.path.join(ROOT, path)):
            return path
    raise AssertionError("%s includes %s, which is nowhere" % (source, included))


def includes(source):
    with open(os.path.join(ROOT, source)) as f:
        return re.findall(r'^\s*#\s*include\s+"([^"]+)"', f.read(), re.M)


def nothing(wrong):
    assert not wrong, "\n" + "\n".join(wrong)


def only(allowed, what, names, *patterns):
    """Of the sources that match, those in `allowed` alone may need one of `names`."""
    wrong = []
    for source in sources(*patterns):
        used = imports(source) & names
        if used and source not in allowed:
            wrong.append("%s %s: %s" % (source, what, ", ".join(sorted(used))))
    nothing(wrong)


def included_files():
    """{file of broker/: the files of broker/ that it includes}"""
    found = {}
    for source in sources("broker/*.[ch]", "broker/*/*.[ch]"):
        paths = [resolve(source, included) for included in includes(source)]
        found[source] = {p for p in paths if not p.startswith("include/")}
    return found


def called_files():
    """{source of broker/: the sources of broker/ that define what its object needs}"""
    own = sources("broker/*.c", "broker/*/*.c")
    where = {name: source for source in own if room_of(source) != "ctl" for name in exports(source)}
    ctl = dict(where, **{n: s for s in own if room_of(s) == "ctl" for n in exports(s)})
    found = {}
    for source in own:
        known = ctl if room_of(source) == "ctl" else where
        # Without plain(): these are our own names, and nothing wraps them.
        needed = [line.split()[-1] for line in nm("-u", object_of(source)).splitlines() if line.strip()]
        found[source] = {known[n] for n in needed if n in known} - {source}
    return found


@test
def a_file_includes_only_its_own_room_and_those_before_it():
    nothing(
        [
            "%s includes %s" % (source, path)
            for source, paths in included_files().items()
            for path in sorted(paths)
            if not path.startswith("broker/") or not may_use(source, path)
        ]
    )


@test
def a_file_calls_only_its_own_room_and_those_before_it():
    nothing(
        [
            "%s calls what is in %s" % (source, path)
            for source, paths in called_files().items()
            for path in sorted(paths)
            if not may_use(source, path)
        ]
    )


@test
def no_two_files_need_each_other():
    """A source and its header are one. Includes and calls together: neither may close a circle."""
    arrows = {}
    for found in (included_files(), called_files()):
        for source, paths in found.items():
            arrows.setdefault(source[:-2], set()).update({p[:-2] for p in paths} - {source[:-2]})
    nothing(["these need each other: %s" % ", ".join(circle) for circle in circles(arrows)])


@test
def a_circle_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [("a", "b", "c")]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


@test
def the_shim_includes_the_contract_and_itself():
    wrong = []
    for source in sources("worker-shim/*/*.[ch]"):
        for included in includes(source):
            path = resolve(source, included)
            if not path.startswith(("include/", "worker-shim/")):
                wrong.append("%s includes %s" % (source, path))
    for source in sources("include/*.h"):
        for included in includes(source):
            if not resolve(source, included).startswith("include/"):
                wrong.append("%s includes %s" % (source, included))
    nothing(wrong)


@test
def policy_calls_nothing_but_itself_and_what_computes():
    own = sources(*PURE_ROOMS)
    known = {plain(n) for n in definitions(*own)} | PURE
    nothing(
        [
            "%s calls %s" % (source, name)
            for source in own
            for name in sorted(imports(source) - known)
        ]
    )


@test
def what_brokerctl_shows_is_computed():
    """Text in, text out: whatever is put on a screen can be tested without one."""
    shown = sources("broker/ctl/*_text.c", "broker/ctl/text.c", "broker/ctl/*_table.c",
                    "broker/ctl/view.c", "broker/ctl/debugger.c")
    own = shown + sources(*PURE_ROOMS)
    # A time becomes local time: nothing but TZ stands beside the text.
    known = {plain(n) for n in definitions(*own)} | PURE | {"localtime_r", "strftime", "strptime", "timegm"}
    nothing(
        [
            "%s calls %s" % (source, name)
            for source in shown
            for name in sorted(imports(source) - known)
        ]
    )


@test
def policy_has_no_variable_of_its_own():
    """b, d, s: zeroed or initialised data that can be written. Tables are const. paths: the names
    of Unix sockets, whose numbers stand in addresses."""
    wrong = []
    for source in sorted(set(sources(*PURE_ROOMS)) - {"broker/base/paths.c"}):
        for line in nm("--defined-only", "-f", "sysv", object_of(source)).splitlines():
            fields = [f.strip() for f in line.split("|")]
            if len(fields) < 7 or BUILT_IN.match(fields[0]):
                continue
            # With a sanitizer, its registers of our constants.
            if fields[0].startswith((".L", "__odr_asan")):
                continue
            if re.match(r"(\.data|\.bss)(?!\.rel\.ro)", fields[6]):
                wrong.append("%s: %s in %s" % (source, fields[0], fields[6]))
    nothing(wrong)


@test
def only_spawn_starts_and_signals_processes():
    # debug.c of brokerctl, which starts a debugger and signals nobody.
    # park.c is the zygote of an inetd service, in its own process.
    only({"broker/sys/spawn.c", "broker/ctl/debug.c", "worker-shim/inetd/park.c",
          "worker-shim/launcher/trap.c"},
         "starts or signals", STARTS | KILLS,
         "broker/*.c", "broker/*/*.c", "worker-shim/*/*.c")


@test
def only_one_file_asks_the_name_service_and_the_broker_does_not_call_it():
    """main.c: in the process that is started for that. ctl: brokerctl may wait."""
    only({"broker/sys/name_service.c"}, "asks the name service", ASKS,
         "broker/*.c", "broker/*/*.c", "worker-shim/*/*.c")
    only({"broker/main.c", "broker/ctl/client.c", "broker/ctl/doctor.c"}, "waits for the name service",
         exports("broker/sys/name_service.c"), "broker/*.c", "broker/*/*.c")


@test
def only_the_log_and_the_mains_print():
    # out.c: for all of brokerctl, its main included.
    # What the launcher and the library say of an inetd program goes to its own output.
    only({"broker/sys/log.c", "broker/main.c", "broker/ctl/out.c", "worker-shim/launcher/main.c",
          "worker-shim/launcher/inetd.c", "worker-shim/launcher/trap.c", "worker-shim/inetd/library.c"}, "prints", PRINTS,
         "broker/*.c", "broker/*/*.c", "worker-shim/*/*.c")


@test
def only_mains_exit():
    # spawn.c: in the child, before its exec. assert(3) is not meant here: __assert_fail.
    # A zygote and its idle children are processes that run nothing else.
    only({"broker/sys/spawn.c", "broker/main.c", "worker-shim/launcher/main.c",
          "worker-shim/launcher/trap.c", "worker-shim/inetd/park.c", "worker-shim/inetd/library.c"}, "ends the process", ENDS,
         "broker/*.c", "broker/*/*.c", "worker-shim/*/*.c")
    assert imports("broker/sys/spawn.c") & ENDS == {"_exit"}


@test
def the_library_in_an_app_neither_allocates_nor_aborts():
    """Its hooks run in signal handlers and in the children of vfork(2)."""
    names = {"malloc", "calloc", "realloc", "free", "strdup", "assert_fail", "snprintf",
             "vsnprintf", "pthread_mutex_lock"} | PRINTS | ENDS
    only(set(), "must not need", names, "worker-shim/preload/*.c", "worker-shim/trap/*.c")


PRODUCT = ("broker/*.[ch]", "broker/*/*.[ch]", "worker-shim/*/*.[ch]", "include/*.h")
LINES_OF_A_FILE = 450
LINES_OF_A_FUNCTION = 60


def functions(text):
    """(name, lines) of each function, as our format has them: the braces stand in column 0."""
    for match in re.finditer(r"^(?![\s#/}])[^\n;={]*?(\w+)\([^;{]*\)\n{\n.*?^}", text, re.M | re.S):
        yield match.group(1), match.group(0).count("\n") + 1


@test
def files_and_functions_stay_short():
    wrong, n = [], 0
    for source in sources(*PRODUCT):
        with open(os.path.join(ROOT, source)) as f:
            text = f.read()
        if text.count("\n") > LINES_OF_A_FILE:
            wrong.append("%s has %d lines" % (source, text.count("\n")))
        for name, lines in functions(text):
            n += 1
            if lines > LINES_OF_A_FUNCTION:
                wrong.append("%s: %s() has %d lines" % (source, name, lines))
    nothing(wrong)
    assert n > 1500, n  # the pattern still finds them


main()
