#!/usr/bin/env python3
"""
The order of the source tree, checked in the source and in the objects that were built of it: who
may include whom, and who may call what. A rule that only people remember is broken one day.
"""

import functools
import glob
import os
import re
import shutil
import subprocess

from harness import *

# The rooms of broker/, as the Makefile lists them. ctl is another program, brokerctl.
ROOMS = "core dispatch worker service master report control web".split()
LEVELS = {"base": 0, "config": 1, "policy": 2, "sys": 3, "ctl": 4, **{r: 4 for r in ROOMS}}
MAIN = 5

PURE_ROOMS = ("broker/base/*.c", "broker/config/*.c", "broker/policy/*.c")

# What computes and nothing else. The check is made on the objects, so that no macro hides a call.
PURE = set(
    """
    memchr memcmp memcpy memmem memmove memset memrchr mempcpy rawmemchr bcmp
    strchr strrchr strchrnul strcmp strncmp strcasecmp strncasecmp strlen strnlen strcpy strncpy
    stpcpy strcat strstr strspn strcspn strpbrk strsep strtok_r strdup strndup
    strtol strtoul strtoll strtoull isoc23_strtol isoc23_strtoul isoc23_strtoll isoc23_strtoull
    snprintf vsnprintf sscanf isoc99_sscanf isoc23_sscanf
    qsort bsearch malloc calloc realloc free
    ctype_b_loc ctype_tolower_loc ctype_toupper_loc tolower toupper isdigit isalpha isalnum isspace
    inet_pton inet_ntop errno_location
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


def level_of(source):
    parts = source.split("/")
    if len(parts) == 2:
        return MAIN
    assert parts[1] in LEVELS, "%s: a directory without a level" % source
    return LEVELS[parts[1]]


def resolve(source, included):
    """An include is written from its own directory, from broker/, or from include/."""
    for base in (os.path.dirname(source), "broker", "include"):
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


@test
def a_file_of_the_broker_includes_its_own_level_or_lower_ones():
    wrong = []
    for source in sources("broker/*.[ch]", "broker/*/*.[ch]"):
        for included in includes(source):
            path = resolve(source, included)
            if path.startswith("include/"):
                continue
            if not path.startswith("broker/") or level_of(path) > level_of(source):
                wrong.append("%s includes %s" % (source, path))
    nothing(wrong)


@test
def broker_and_brokerctl_know_nothing_of_each_other():
    wrong = []
    rooms = ["broker/%s/" % room for room in ROOMS]
    for ours, theirs in ((rooms, ["broker/ctl/"]), (["broker/ctl/"], rooms)):
        for source in sources(*[room + "*.[ch]" for room in ours if room != "broker/core/"]):
            for included in includes(source):
                if resolve(source, included).startswith(tuple(theirs)):
                    wrong.append("%s includes %s" % (source, included))
    nothing(wrong)


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
                    "broker/ctl/*_rows.c", "broker/ctl/view.c", "broker/ctl/debugger.c",
                    "broker/ctl/doctor_judge.c")
    own = shown + sources(*PURE_ROOMS)
    known = {plain(n) for n in definitions(*own)} | PURE
    nothing(
        [
            "%s calls %s" % (source, name)
            for source in shown
            for name in sorted(imports(source) - known)
        ]
    )


@test
def policy_has_no_variable_of_its_own():
    """b, d, s: zeroed or initialised data that can be written. Tables are const."""
    wrong = []
    for source in sources(*PURE_ROOMS):
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
    # tool.c: for brokerctl, which starts a debugger and signals nobody.
    only({"broker/sys/spawn.c", "broker/sys/tool.c"}, "starts or signals", STARTS | KILLS,
         "broker/*.c", "broker/*/*.c", "worker-shim/*/*.c")


@test
def only_the_log_and_the_mains_print():
    # out.c: for all of brokerctl, its main included.
    only({"broker/sys/log.c", "broker/main.c", "broker/ctl/out.c", "worker-shim/launcher/main.c"},
         "prints", PRINTS,
         "broker/*.c", "broker/*/*.c", "worker-shim/*/*.c")


@test
def only_mains_exit():
    # spawn.c: in the child, before its exec. assert(3) is not meant here: __assert_fail.
    only({"broker/sys/spawn.c", "broker/main.c", "worker-shim/launcher/main.c"}, "ends the process",
         ENDS, "broker/*.c", "broker/*/*.c", "worker-shim/*/*.c")
    assert imports("broker/sys/spawn.c") & ENDS == {"_exit"}


@test
def the_library_in_an_app_neither_allocates_nor_aborts():
    """Its hooks run in signal handlers and in the children of vfork(2)."""
    names = {"malloc", "calloc", "realloc", "free", "strdup", "assert_fail", "snprintf",
             "vsnprintf", "pthread_mutex_lock"} | PRINTS | ENDS
    only(set(), "must not need", names, "worker-shim/preload/*.c")


main()
