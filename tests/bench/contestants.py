"""The servers that are compared: how each is started, found ready, looked at, and ended."""

import ctypes
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
START_TIMEOUT = 20  # seconds until a contestant must listen
STOP_TIMEOUT = 5    # seconds between asking it to end and SIGKILL
WORKERS = 2


class Unusable(Exception):
    """This contestant cannot take part; the text says why."""


def adopt_orphans():
    """Children of ended children become ours, so that the final clean-up misses none."""
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cpu_ns(pid):
    """CPU time of all threads of a process, ended ones too, exact to the nanosecond.

    This is the process CPU-time clock of clock_getcpuclockid(3). /proc/PID/stat counts in ticks of
    10 ms, and schedstat lacks the threads that have ended.
    """
    return time.clock_gettime_ns((~pid << 3) | 2)


def machine_ticks():
    """Busy, stolen by the hypervisor, and all CPU time of this machine so far, in ticks."""
    with open('/proc/stat') as f:
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, f.readline().split()[1:9])
    busy = user + nice + system + irq + softirq
    return busy, steal, busy + steal + idle + iowait


def family_cpu_ns(pids):
    """The same summed, without those that have ended."""
    total = 0
    for pid in pids:
        try:
            total += cpu_ns(pid)
        except OSError:
            pass
    return total


def descendants(root):
    """The processes below @root, nearest first, without itself."""
    children = {}
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open(f'/proc/{name}/stat') as f:
                stat = f.read()
        except OSError:
            continue  # ended meanwhile
        parent = int(stat[stat.rindex(')') + 2:].split()[1])
        children.setdefault(parent, []).append(int(name))
    found = []
    todo = [root]
    while todo:
        for pid in children.get(todo.pop(0), []):
            found.append(pid)
            todo.append(pid)
    return found


def name_of(pid):
    with open(f'/proc/{pid}/comm') as f:
        return f.read().strip()


def memory_kb(pid):
    """VmRSS and RssAnon (what no other process can share) in KiB."""
    with open(f'/proc/{pid}/status') as f:
        fields = dict(re.findall(r'^(\w+):\s+(\d+) kB$', f.read(), re.M))
    return int(fields['VmRSS']), int(fields['RssAnon'])


def send_signal(pid, number):
    assert pid > 1
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill_descendants():
    """Ends everything that is still below this process. Each round reaps one generation."""
    for _ in range(20):
        pids = descendants(os.getpid())
        if not pids:
            return
        for pid in pids:
            send_signal(pid, signal.SIGKILL)
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break
        time.sleep(0.01)


def read_line(fd, deadline, process):
    """One line from a pipe, or Unusable when the process ends or @deadline passes first."""
    text = b''
    while not text.endswith(b'\n'):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise Unusable(f'not ready after {START_TIMEOUT} s')
        byte = os.read(fd, 1)
        if not byte:
            try:
                code = process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                raise Unusable('closed its output before it was ready')
            raise Unusable(f'ended with status {code} before it was ready')
        text += byte
    return text.decode()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def keys(options):
    return ''.join(f'{key} = {value}\n' for key, value in options.items())


class Contestant:
    """A server that says "listening PORT" on its standard output. `master` is the process whose
    CPU time and memory are reported: the one that accepts."""

    def __init__(self, key, title, argv):
        self.key, self.title, self.argv = key, title, argv
        self.process = self.port = self.master = self.skipped = None

    def start(self):
        if not shutil.which(self.argv[0]):
            raise Unusable(f'{self.argv[0]} is not there')
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE)
        deadline = time.monotonic() + START_TIMEOUT
        line = read_line(self.process.stdout.fileno(), deadline, self.process)
        if not line.startswith('listening '):
            raise Unusable(f'said {line!r}')
        self.port = int(line.split()[1])
        self.master = self.process.pid

    def workers(self):
        return descendants(self.process.pid)

    def check(self):
        if self.process.poll() is not None:
            raise Unusable(f'ended with status {self.process.returncode} in the middle of the run')

    def wait_listening(self):
        """For those that do not say when they are ready."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            self.check()
            with socket.socket() as s:
                if s.connect_ex(('127.0.0.1', self.port)) == 0:
                    return
            if time.monotonic() > deadline:
                raise Unusable(f'not ready after {START_TIMEOUT} s')
            time.sleep(0.01)

    def stop(self):
        if not self.process or self.process.poll() is not None:
            return
        family = [self.process.pid] + descendants(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            for pid in family:
                send_signal(pid, signal.SIGKILL)
            self.process.wait()


class Broker(Contestant):
    """The broker in front of an app that it starts itself."""

    def __init__(self, key, title, build, command, workers=WORKERS, broker=None, service=None):
        super().__init__(key, title, [os.path.join(build, 'broker')])
        self.command = command
        self.directory = None
        self.own = {'log_level': 'warn', **(broker or {})}
        # No probation: a reload must not leave the workers of five seconds behind.
        self.service = {'workers': workers, 'probation': '0', **(service or {})}

    def start(self):
        if not os.access(self.argv[0], os.X_OK):
            raise Unusable('build/broker is not there')
        self.directory = tempfile.mkdtemp(prefix='broker-bench-')
        self.port = free_port()
        self.config = config = os.path.join(self.directory, 'broker.ini')
        with open(config, 'w') as f:
            f.write('[broker]\n' + keys({**self.own, 'run_dir': f'{self.directory}/run'}) +
                    '[service:app]\n' +
                    keys({**self.service, **self.command_and_port()}))
        os.mkdir(os.path.join(self.directory, 'run'), 0o755)
        ready, say_ready = os.pipe()
        try:
            with open(os.path.join(self.directory, 'log'), 'w') as log:
                self.process = subprocess.Popen(
                    self.argv + ['-c', config, '--ready-fd', str(say_ready)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[say_ready])
            os.close(say_ready)
            say_ready = -1
            read_line(ready, time.monotonic() + START_TIMEOUT, self.process)
        except Unusable as why:
            raise Unusable(f'build/broker is not usable: {why}; it said: {self.last_words()}')
        finally:
            os.close(ready)
            if say_ready >= 0:
                os.close(say_ready)
        self.master = next(pid for pid in descendants(self.process.pid)
                           if name_of(pid) == 'broker-main')

    def workers(self):
        return [pid for pid in super().workers() if not name_of(pid).startswith('broker-')]

    def command_and_port(self):
        return {'command': f'{self.command} {self.port}'}

    def last_words(self):
        with open(os.path.join(self.directory, 'log'), errors='replace') as f:
            return ' / '.join(f.read().strip().splitlines()[-3:]) or 'nothing'

    def stop(self):
        super().stop()
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)


class Proxy(Contestant):
    """HAProxy in front of two processes of an app, as its manual shows it."""

    def __init__(self, key, title, command):
        super().__init__(key, title, ['haproxy'])
        self.command = command
        self.apps = []
        self.directory = None

    def start(self):
        if not shutil.which('haproxy'):
            raise Unusable('haproxy is not there')
        self.directory = tempfile.mkdtemp(prefix='proxy-bench-')
        self.port = free_port()
        self.apps = [Contestant('', '', self.command + ['0']) for _ in range(WORKERS)]
        for app in self.apps:
            app.start()
        config = os.path.join(self.directory, 'haproxy.cfg')
        with open(config, 'w') as f:
            f.write('defaults\n    mode http\n    timeout connect 5s\n    timeout client 5s\n'
                    '    timeout server 5s\n'
                    f'frontend in\n    bind 127.0.0.1:{self.port}\n    default_backend apps\n'
                    'backend apps\n    balance roundrobin\n')
            for i, app in enumerate(self.apps):
                f.write(f'    server app{i} 127.0.0.1:{app.port}\n')
        self.process = subprocess.Popen(['haproxy', '-db', '-f', config],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        self.master = self.process.pid
        self.wait_listening()

    def workers(self):
        return [app.process.pid for app in self.apps]

    def stop(self):
        apps, self.apps = self.apps, []
        super().stop()
        for app in apps:
            app.stop()
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)


def all_contestants(build):
    direct = os.path.join(build, 'bench', 'direct')
    app = os.path.join(HERE, 'app.js')
    return [
        Contestant('a', 'C app alone, one process', [direct, '0']),
        Contestant('b', 'floor: accept4, sendmsg, close',
                   [os.path.join(build, 'bench', 'floor'), '0', str(WORKERS)]),
        # The same program once more: how far its ratio to itself is from 1 is the noise of a run.
        Contestant('B', 'floor, a second time',
                   [os.path.join(build, 'bench', 'floor'), '0', str(WORKERS)]),
        Broker('c', 'broker, C app', build, direct),
        Broker('C', 'the same, scheduling = other', build, direct, broker={'scheduling': 'other'}),
        Contestant('d', "node's cluster, app.js",
                   ['node', os.path.join(HERE, 'cluster.js'), '0']),
        Broker('e', 'broker, app.js', build, f'node {app}'),
        Contestant('f', 'app.js alone, one process', ['node', app, '0']),
        Proxy('h', 'HAProxy, two of app.js', ['node', app]),
    ]
