# broker
#
#   make                 builds build/broker, build/brokerctl, build/worker-shim, build/libworker-shim.so,
#                        and build/libhandoff.a and .so for programs that are workers by themselves
#   make run             runs the broker on a demo app, and prints what to try
#   make check           runs all tests that need only the compiler, perl and python3
#   make check-apps      installs the real apps with the package manager, then runs all their tests
#   make bench           compares the broker with its peers; results in build/bench/
#   make fuzz FUZZ_S=60  feeds random bytes to all that reads what others wrote, 60 s each (clang)
#   make torture         lets each system call of the broker fail, one after the other (strace, root)
#   make soak N=1000000  so many connections through a reload each 200 ms
#   make takeover KILLS=200  kills the broker so often
#   make syscalls        runs the end-to-end tests, and fails if a broker needs a call that it cannot make (root)
#   make install         installs below PREFIX; honours DESTDIR
#   make STATIC=1        builds a static broker (CC=musl-gcc works too)
#   make SAN=address     builds with a sanitizer (also undefined, thread); set another BUILD= to keep both
#   make lint format-check
#
# All output goes below $(BUILD).

VERSION := 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
CC      ?= cc
MAKEFLAGS += --no-builtin-rules

# `make V=1` shows the commands.
say = $(if $(V),,@echo "  $(1)	$(2)";)

BINDIR     := $(PREFIX)/sbin
LIBEXECDIR := $(PREFIX)/lib/broker
MANDIR     := $(PREFIX)/share/man
DOCDIR     := $(PREFIX)/share/doc/broker
UNITDIR    := $(PREFIX)/lib/systemd/system
INCLUDEDIR := $(PREFIX)/include
LIBDIR     := $(PREFIX)/lib

# --- warnings: each catches a mistake that this code base could make -----------------------
WARN := -Wall -Wextra          # the usual
WARN += -Wshadow # an inner `fd` that hides an outer one closes the wrong descriptor
WARN += -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition # no undeclared interface
WARN += -Wvla # no stack use that depends on input
WARN += -Wformat=2 # format strings are literals
WARN += -Wundef                # a mistyped macro in #if is not silently 0
WARN += -Wpointer-arith # no arithmetic on void *
WARN += -Wwrite-strings # string literals are const
WARN += -Wimplicit-fallthrough # a missing break is said, not guessed
WARN += -Wcast-qual # const is not cast away
WARN += -Wswitch # an enum value without its case

# --- code generation -----------------------------------------------------------------------
BASE_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g
BASE_CFLAGS += -fno-strict-aliasing # control messages and sockaddrs are read through casts
# A kept record (policy/kept.h) is an unnamed member of its object, as in the Linux kernel.
BASE_CFLAGS += -fms-extensions $(if $(findstring clang,$(shell $(CC) --version 2>/dev/null)),-Wno-microsoft-anon-tag)
# gcc before 11 takes what is before such a member for not initialised.
WARN += $(if $(filter 4 5 6 7 8 9 10,$(firstword $(subst ., ,$(shell $(CC) -dumpversion)))),-Wno-missing-field-initializers)
BASE_CFLAGS += -fno-common # one definition of each variable
BASE_CFLAGS += -fvisibility=hidden # a name is exported on purpose or not at all

# Hardening of programs. The shim takes its own set: it must load under any libc, and the
# __*_chk functions that FORTIFY calls exist in glibc only.
HARDEN := -fstack-protector-strong    # stack smashing ends the process, not the machine
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 # bounds of libc calls, where the compiler knows them
HARDEN += -fPIE # addresses differ in every run
HARDEN_LD := -pie -Wl,-z,relro -Wl,-z,now # the import table is read-only before main

ifdef SAN
BASE_CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer
ifneq (,$(findstring undefined,$(SAN)))
BASE_CFLAGS += -fno-sanitize-recover=all # a finding fails the test
endif
HARDEN := -fPIE
HARDEN_LD := -pie
SAN_LD := -fsanitize=$(SAN)
endif

ifdef STATIC
BASE_CFLAGS += -DBROKER_STATIC # users and groups from the files: a static libc has no NSS
HARDEN_LD := -static -Wl,-z,relro -Wl,-z,now
HARDEN := $(filter-out -fPIE,$(HARDEN))
endif

ALL_CFLAGS := $(BASE_CFLAGS) $(WARN) -Iinclude $(CFLAGS)
PLACES := -DBROKER_VERSION='"$(VERSION)"' -DBROKER_LIBEXECDIR='"$(LIBEXECDIR)"'
COMPILE := $(CC) $(ALL_CFLAGS) $(HARDEN)
COMPILE_PRELOAD := $(CC) $(ALL_CFLAGS) -fPIC -fno-stack-protector -U_FORTIFY_SOURCE
# The blob goes into programs of any libc, before they begin: nothing may be called that it does not
# have. Frames make a chain that ends at errno: worker-shim/trap/libc.c.
COMPILE_TRAP := $(CC) -std=gnu11 -D_GNU_SOURCE -Os -U__OPTIMIZE_SIZE__ -g $(filter-out -std=% -O% -g -fsanitize% -D%,$(BASE_CFLAGS)) $(WARN) \
	-Iinclude -fPIE -fno-stack-protector -fno-omit-frame-pointer -fno-asynchronous-unwind-tables \
	-ffunction-sections -fdata-sections -U_FORTIFY_SOURCE \
	$(if $(findstring aarch64,$(shell $(CC) -dumpmachine)),-mno-outline-atomics)
ERRORS := $(if $(WERROR),-Werror) # what is built is the same
LINK := $(CC) $(HARDEN_LD) $(SAN_LD) $(LDFLAGS)
# For dlsym() and threads with glibc before 2.34; empty in newer libcs.
DL := -ldl
LIBS := -pthread $(DL)

# --- flags are a dependency --------------------------------------------------------------------
# $(BUILD)/flags/NAME holds what the variable NAME was when it was used last, and is written only
# when it changes: so a build with another SAN, CC, CFLAGS or PREFIX makes just what differs.
define remember
ifneq ($$(file <$$(BUILD)/flags/$(1)),$$($(1)))
$$(shell mkdir -p $$(BUILD)/flags)
$$(file >$$(BUILD)/flags/$(1),$$($(1)))
endif
endef
$(foreach name,COMPILE COMPILE_PRELOAD COMPILE_TRAP LINK PLACES,$(eval $(call remember,$(name))))

.DEFAULT_GOAL := all

# The sources that name the version or a place of the installation, and no others, are made again
# for another PREFIX.
WITH_PLACES := $(shell grep -lE 'BROKER_(VERSION|LIBEXECDIR)' broker/*.c broker/*/*.c worker-shim/*/*.c tests/unit/*.c)
$(WITH_PLACES:%.c=$(BUILD)/obj/%.o): $(BUILD)/flags/PLACES
$(WITH_PLACES:%.c=$(BUILD)/obj/%.o): DEFS := $(PLACES)

# --- what is built ---------------------------------------------------------------------------
# The rooms, each using only those before it (tests/e2e/test_levels.py checks it). The first three
# compute and nothing else.
PURE_ROOMS := base config policy
ROOMS := $(PURE_ROOMS) sys core dispatch worker service master report control web
BROKER_SRC := $(sort $(wildcard broker/*.c $(ROOMS:%=broker/%/*.c)))
BROKER_OBJ := $(BROKER_SRC:%.c=$(BUILD)/obj/%.o)

# What it shares with the broker: everything pure, and of sys/ only what is named here.
CTL_SYS := config_file dir confine loop name_service pair pid_set proc program retire rights rundir safe_path sockdiag spawn starter starter_wire unix_socket user
COMPLETIONS := $(addprefix broker/ctl/completion.,bash zsh fish)
CTL_SRC := $(sort $(wildcard broker/ctl/*.c $(PURE_ROOMS:%=broker/%/*.c))) $(CTL_SYS:%=broker/sys/%.c)
CTL_OBJ := $(CTL_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/completion_scripts.o

NATIVE_SRC := $(sort $(wildcard worker-shim/native/*.c))
NATIVE_OBJ := $(NATIVE_SRC:%.c=$(BUILD)/obj/%.o)

LAUNCHER_SRC := $(sort $(wildcard worker-shim/launcher/*.c))
LAUNCHER_OBJ := $(LAUNCHER_SRC:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/worker-shim/inetd/park.o

INETD_SRC := $(sort $(wildcard worker-shim/inetd/*.c))
INETD_OBJ := $(INETD_SRC:%.c=$(BUILD)/obj/%.o)

# The library for others. Its own names are not theirs: so it is one object, and only what handoff.h
# declares can be seen of it.
HANDOFF_SONAME := libhandoff.so.1
OBJCOPY ?= $(shell $(CC) -print-prog-name=objcopy)

PRELOAD_SRC := $(sort $(wildcard worker-shim/preload/*.c))
PRELOAD_OBJ := $(PRELOAD_SRC:%.c=$(BUILD)/obj/%.o)

# The preload library once more, for programs that load no library: see worker-shim/trap/params.h.
TRAP_SRC := $(sort $(wildcard worker-shim/trap/*.c))
TRAP_PRELOAD := addr adopt blocked fdinfo hooks_accept hooks_fd hooks_listen hooks_name hooks_path hooks_syscall \
	launched moved options shim slot table
TRAP_OBJ := $(TRAP_SRC:%.c=$(BUILD)/obj/%.o) $(TRAP_PRELOAD:%=$(BUILD)/obj/blob/%.o)

.PHONY: all
all: $(BUILD)/broker $(BUILD)/brokerctl $(BUILD)/worker-shim $(BUILD)/libworker-shim.so \
	$(BUILD)/libworker-inetd.so $(BUILD)/libhandoff.a $(BUILD)/libhandoff.so $(BUILD)/man/broker.ini.5

$(BUILD)/broker: $(BROKER_OBJ) $(BUILD)/flags/LINK
	$(call say,LD,$@)$(LINK) -o $@ $(BROKER_OBJ)

$(BUILD)/brokerctl: $(CTL_OBJ) $(BUILD)/flags/LINK
	$(call say,LD,$@)$(LINK) -o $@ $(CTL_OBJ)

$(BUILD)/worker-shim: $(LAUNCHER_OBJ) $(BUILD)/flags/LINK
	$(call say,LD,$@)$(LINK) -o $@ $(LAUNCHER_OBJ)

$(BUILD)/obj/blob/blob: $(TRAP_OBJ) worker-shim/trap/blob.ld
	$(call say,LD,$@)$(shell $(CC) -print-prog-name=ld) -pie --no-dynamic-linker --gc-sections -z text -z norelro -z noexecstack --build-id=none \
		-T worker-shim/trap/blob.ld -o $@.elf $(TRAP_OBJ) && $(OBJCOPY) -O binary -j .text -j .rela.dyn -j .data $@.elf $@

# No -lc feature beyond POSIX names: the same file serves glibc and musl programs.
$(BUILD)/libworker-shim.so: $(PRELOAD_OBJ) worker-shim/preload/exports.map $(BUILD)/flags/LINK
	$(call say,LD,$@)$(CC) -shared -Wl,-soname,libworker-shim.so -Wl,--version-script=worker-shim/preload/exports.map \
		-Wl,-z,relro -Wl,-z,now $(SAN_LD) $(LDFLAGS) -o $@ $(PRELOAD_OBJ) $(DL)

$(BUILD)/libworker-inetd.so: $(INETD_OBJ) $(BUILD)/flags/LINK
	$(call say,LD,$@)$(CC) -shared -Wl,-soname,libworker-inetd.so -Wl,-z,relro -Wl,-z,now $(SAN_LD) $(LDFLAGS) -o $@ $(INETD_OBJ) $(DL)

$(BUILD)/libhandoff.a: $(NATIVE_OBJ)
	$(call say,AR,$@)rm -f $@ && $(LD) -r -o $(BUILD)/obj/libhandoff.o $(NATIVE_OBJ) && \
		$(OBJCOPY) --localize-hidden $(BUILD)/obj/libhandoff.o && $(AR) rcs $@ $(BUILD)/obj/libhandoff.o

$(BUILD)/libhandoff.so: $(NATIVE_OBJ) $(BUILD)/flags/LINK
	$(call say,LD,$@)$(CC) -shared -Wl,-soname,$(HANDOFF_SONAME) -Wl,-z,relro -Wl,-z,now $(SAN_LD) $(LDFLAGS) \
		-o $@ $(NATIVE_OBJ)

# The manual page whose options come from their table. HOSTCC: builds what runs during the build.
HOSTCC ?= $(CC)
OPTIONS_SRC := docs/man/options.c broker/config/health_probe.c \
	$(wildcard broker/config/option*.c broker/base/*.c)

$(BUILD)/man/options: $(OPTIONS_SRC) $(wildcard broker/config/*.h broker/base/*.h include/*.h)
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)$(HOSTCC) -std=gnu11 -D_GNU_SOURCE $(WARN) $(if $(WERROR),-Werror) -Iinclude -iquote broker -o $@ $(OPTIONS_SRC)

$(BUILD)/man/broker.ini.5: docs/man/broker.ini.5.in $(BUILD)/man/options
	$(call say,MAN,$@)$(BUILD)/man/options < $< > $@.part && mv $@.part $@

$(BUILD)/obj/broker/%.o: broker/%.c $(BUILD)/flags/COMPILE
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(ERRORS) $(DEFS) -iquote broker -MMD -MP -c -o $@ $<

# What `brokerctl completion SHELL` prints: const char completion_bash[] and so on, as C strings.
$(BUILD)/obj/completion_scripts.c: $(COMPLETIONS)
	@mkdir -p $(@D)
	$(call say,GEN,$@)for script in $^; do \
		echo "const char completion_$${script##*.}[] ="; \
		sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $$script; echo ';'; done >$@

$(BUILD)/obj/completion_scripts.o: $(BUILD)/obj/completion_scripts.c $(BUILD)/flags/COMPILE
	$(call say,CC,$<)$(COMPILE) $(ERRORS) -c -o $@ $<

$(BUILD)/obj/worker-shim/launcher/%.o: worker-shim/launcher/%.c $(BUILD)/flags/COMPILE
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(ERRORS) $(DEFS) -Iworker-shim -MMD -MP -c -o $@ $<

$(BUILD)/obj/worker-shim/launcher/blob.o: $(BUILD)/obj/blob/blob
$(BUILD)/obj/worker-shim/launcher/blob.o: DEFS := -DTRAP_BLOB='"$(BUILD)/obj/blob/blob"'

# What it defines the compiler must not take for a call of it.
$(BUILD)/obj/worker-shim/trap/libc.o: DEFS := -fno-builtin

$(BUILD)/obj/worker-shim/trap/%.o: worker-shim/trap/%.c $(BUILD)/flags/COMPILE_TRAP
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE_TRAP) $(ERRORS) $(DEFS) -Iworker-shim -MMD -MP -c -o $@ $<

$(BUILD)/obj/blob/%.o: worker-shim/preload/%.c $(BUILD)/flags/COMPILE_TRAP
	@mkdir -p $(@D)
	$(call say,CC,$@)$(COMPILE_TRAP) $(ERRORS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/worker-shim/inetd/%.o: worker-shim/inetd/%.c $(BUILD)/flags/COMPILE_PRELOAD
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE_PRELOAD) $(ERRORS) -Iworker-shim -MMD -MP -c -o $@ $<

$(BUILD)/obj/worker-shim/native/%.o: worker-shim/native/%.c $(BUILD)/flags/COMPILE_PRELOAD
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE_PRELOAD) $(ERRORS) $(DEFS) -Iworker-shim -MMD -MP -c -o $@ $<

$(BUILD)/obj/worker-shim/preload/%.o: worker-shim/preload/%.c $(BUILD)/flags/COMPILE_PRELOAD
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE_PRELOAD) $(ERRORS) -MMD -MP -c -o $@ $<

# --- tests -----------------------------------------------------------------------------------
# A unit test links the objects that its "links:" line names, and nothing else: that proves
# what a module needs. `wrap:` names the system calls that it replaces with its own.
UNIT_SRC := $(sort $(wildcard tests/unit/*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)

links = $(shell sed -n 's/^.*links: *\([^*]*\).*$$/\1/p' $(1))
wraps = $(shell sed -n 's/^.*wrap: *\([^*]*\).*$$/\1/p' $(1))

define unit_rule
$(BUILD)/unit/$(notdir $(1:.c=)): $(1:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/tests/harness/tap.o \
		$(patsubst %,$(BUILD)/obj/%.o,$(call links,$(1))) $(BUILD)/flags/LINK
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(LINK) $(patsubst %,-Wl$(comma)--wrap=%,$(call wraps,$(1))) -o $$@ $$(filter %.o,$$^) $(LIBS)
endef
comma := ,
$(foreach t,$(UNIT_SRC),$(eval $(call unit_rule,$(t))))

# Fuzz targets, linked as unit tests are. Their main feeds them the files of their corpus; with
# SAN=fuzzer-no-link,... (`make fuzz`) it is that of libFuzzer.
FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_MAIN := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer,$(BUILD)/obj/tests/harness/replay.o)
$(BUILD)/obj/tests/harness/replay.o: DEFS := -DFUZZ_CORPUS='"$(abspath tests/fuzz/corpus)"'

define fuzz_rule
$(BUILD)/fuzz/$(notdir $(1:.c=)): $(1:%.c=$(BUILD)/obj/%.o) $(filter %.o,$(FUZZ_MAIN)) \
		$(patsubst %,$(BUILD)/obj/%.o,$(call links,$(1))) $(BUILD)/flags/LINK
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)$$(LINK) $(filter-out %.o,$(FUZZ_MAIN)) \
		$(patsubst %,-Wl$(comma)--wrap=%,$(call wraps,$(1))) -o $$@ $$(filter %.o,$$^) $(LIBS)
endef
$(foreach t,$(FUZZ_SRC),$(eval $(call fuzz_rule,$(t))))

$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags/COMPILE
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(ERRORS) $(DEFS) -iquote broker -Itests/harness -Iworker-shim -MMD -MP -c -o $@ $<

# Small servers of our own, built as a user would build theirs: no flag of ours, no header of ours.
APP_SRC := $(sort $(wildcard tests/apps/*.c))
APP_BIN := $(APP_SRC:tests/apps/%.c=$(BUILD)/apps/%)

$(BUILD)/apps/%: tests/apps/%.c $(wildcard tests/apps/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -o $@ $< $(LIBS)

# Programs that load no library: their system calls are trapped.
STATIC_BIN := $(addprefix $(BUILD)/apps/static/,srv_blocking srv_epoll_before_listen srv_prefork srv_raw srv_relay \
	srv_relay_pie srv_threads srv_wild)

$(BUILD)/apps/static/%: tests/apps/%.c $(wildcard tests/apps/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -static -o $@ $< $(LIBS)

$(BUILD)/apps/static/%_pie: tests/apps/%.c $(wildcard tests/apps/*.h)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -fPIE -static-pie -o $@ $< $(LIBS)

# With libhandoff, as handoff(3) says.
$(BUILD)/apps/srv_native: tests/apps/srv_native.c tests/apps/app.h $(BUILD)/libhandoff.a
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g $(WARN) -Iinclude -o $@ $< $(BUILD)/libhandoff.a $(SAN_LD)

TOOL_SRC := $(sort $(wildcard tests/bench/*.c))
TOOL_BIN := $(TOOL_SRC:tests/bench/%.c=$(BUILD)/bench/%) $(addprefix $(BUILD)/bench/static/,accepting holder)

$(BUILD)/bench/static/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -static -o $@ $<

$(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN) -Iinclude -o $@ $<

# Built as docs/debugging.md says.
$(BUILD)/prices: docs/examples/prices.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -g -O1 $(WARN) -o $@ $<

$(BUILD)/demo: docs/examples/demo.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARN) -o $@ $<

$(BUILD)/worker: docs/examples/worker.c $(BUILD)/libhandoff.a
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) -O2 $(WARN) -Iinclude -o $@ $< $(BUILD)/libhandoff.a $(SAN_LD)

# The broker, as the version before or after this one is.
$(BUILD)/neighbour: $(BUILD)/obj/tests/harness/neighbour.o $(BROKER_OBJ) $(BUILD)/flags/LINK
	$(call say,LD,$@)$(LINK) -Wl,--wrap=kept_add,--wrap=kept_next -o $@ $(filter %.o,$^)

.PHONY: unit tests-build run check check-unit check-e2e check-apps bench fuzz fuzz-build torture soak takeover syscalls
unit: $(UNIT_BIN) $(FUZZ_BIN)
tests-build: all unit $(APP_BIN) $(STATIC_BIN) $(TOOL_BIN) $(BUILD)/demo $(BUILD)/neighbour $(BUILD)/prices $(BUILD)/worker

JOBS ?= 4
PROVE := prove --exec '' -j $(JOBS) --timer
export BROKER_BUILD = $(abspath $(BUILD))

check: tests-build
	$(PROVE) $(UNIT_BIN) $(FUZZ_BIN) $(sort $(wildcard tests/e2e/test_*.py))

check-unit: unit
	$(PROVE) $(UNIT_BIN) $(FUZZ_BIN)

check-e2e: tests-build
	$(PROVE) $(sort $(wildcard tests/e2e/test_*.py))

check-apps: tests-build
	tests/apps/install
	BROKER_APPS_REQUIRED=1 JOBS=$(JOBS) $(PROVE) $(sort $(wildcard tests/apps/test_*.py))

run: all $(BUILD)/demo
	@docs/examples/run-demo $(BUILD)

bench: tests-build
	tests/bench/run $(BUILD)
	tests/bench/inetd $(BUILD)
	tests/bench/scale $(BUILD)
	BROKER_BUILD=$(BUILD) tests/bench/moving
	BROKER_BUILD=$(BUILD) tests/bench/accepting

# FUZZ_S: seconds for each target. FUZZ: their names, all by default.
FUZZ_S ?= 60
fuzz:
	tests/fuzz/run $(BUILD) $(FUZZ_S) $(FUZZ)

fuzz-build: $(FUZZ_BIN)

# MOST: at most so many times of each system call. SCENE: their names, all by default.
MOST ?= 8
torture: tests-build
	tests/torture/run $(BUILD) $(MOST) $(SCENE)

N ?= 1000000
soak: tests-build
	tests/torture/soak $(BUILD) $(N)

KILLS ?= 200
takeover: tests-build
	tests/torture/takeover $(BUILD) $(KILLS) $(CASE)

syscalls: tests-build
	tests/torture/syscalls $(PROVE) $(sort $(filter-out %/test_sandbox.py,$(wildcard tests/e2e/test_*.py)))

# --- formatting and static analysis ------------------------------------------------------------
C_FILES := $(sort $(wildcard include/*.h broker/*.c broker/*/*.[ch] worker-shim/*/*.[ch] tests/*/*.[ch] docs/examples/*.c docs/man/*.c))

.PHONY: format format-check lint
format:
	clang-format -i $(C_FILES)

format-check:
	clang-format --dry-run --Werror $(C_FILES)

# Any text will do for the version; this one needs no quotes.
LINT_FLAGS := -D_GNU_SOURCE -Iworker-shim -DBROKER_VERSION=__FILE__ -DBROKER_LIBEXECDIR=__FILE__ -DTRAP_BLOB=__FILE__ \
	-Iinclude -Ibroker -Iworker-shim

lint:
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --suppressions-list=.cppcheck \
		--enable=warning,performance,portability -D__x86_64__ $(LINT_FLAGS) broker worker-shim
	printf '%s\n' $(sort $(BROKER_SRC) $(CTL_SRC)) $(LAUNCHER_SRC) $(NATIVE_SRC) $(PRELOAD_SRC) $(INETD_SRC) $(TRAP_SRC) | xargs -n 10 -P 2 sh -c \
		'clang-tidy --quiet --warnings-as-errors="*" "$$@" -- -std=gnu11 -fms-extensions -Wno-microsoft-anon-tag $(LINT_FLAGS)' sh

# --- install -----------------------------------------------------------------------------------
.PHONY: install clean
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(INCLUDEDIR) \
		$(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(DOCDIR)/docs/man $(DESTDIR)$(DOCDIR)/docs/examples $(DESTDIR)$(UNITDIR)
	install -m 755 $(BUILD)/broker $(DESTDIR)$(BINDIR)/broker
	install -m 755 $(BUILD)/brokerctl $(DESTDIR)$(BINDIR)/brokerctl
	install -m 755 $(BUILD)/worker-shim $(DESTDIR)$(LIBEXECDIR)/worker-shim
	install -m 644 $(BUILD)/libworker-shim.so $(BUILD)/libworker-inetd.so $(DESTDIR)$(LIBEXECDIR)/
	install -m 644 $(BUILD)/libhandoff.a $(DESTDIR)$(LIBDIR)/libhandoff.a
	install -m 755 $(BUILD)/libhandoff.so $(DESTDIR)$(LIBDIR)/$(HANDOFF_SONAME)
	ln -sf $(HANDOFF_SONAME) $(DESTDIR)$(LIBDIR)/libhandoff.so
	printf '%s\n' 'Name: handoff' 'Description: workers of the connection handoff broker' \
		'Version: $(VERSION)' 'Cflags: -I$(INCLUDEDIR)' 'Libs: -L$(LIBDIR) -lhandoff' \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/handoff.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/handoff.pc
	install -m 644 include/*.h $(DESTDIR)$(INCLUDEDIR)/
	install -m 644 docs/man/brokerctl.1 docs/man/worker-shim.1 $(DESTDIR)$(MANDIR)/man1/
	install -m 644 docs/man/handoff.3 $(DESTDIR)$(MANDIR)/man3/
	install -m 644 $(BUILD)/man/broker.ini.5 $(DESTDIR)$(MANDIR)/man5/
	install -m 644 docs/man/broker.8 $(DESTDIR)$(MANDIR)/man8/
	for unit in broker.service broker@.service; do \
		sed 's|/usr/local/sbin|$(BINDIR)|' docs/examples/$$unit >$(DESTDIR)$(UNITDIR)/$$unit && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
# The documents as they lie here, so that their links work.
	install -m 644 README.md LICENSE $(DESTDIR)$(DOCDIR)/
	install -m 644 docs/*.md docs/*.svg $(DESTDIR)$(DOCDIR)/docs/
	install -m 644 docs/man/*.[1-8]* $(DESTDIR)$(DOCDIR)/docs/man/
	install -m 644 docs/examples/* $(DESTDIR)$(DOCDIR)/docs/examples/
	ln -sfn ../../../include $(DESTDIR)$(DOCDIR)/include

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
