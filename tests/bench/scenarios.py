"""What is measured besides the rounds: latency at a fixed rate, reloads, many workers, idle clients.

Each scenario returns a Section: a table, and ratios against a peer that was measured in the same
minute. A scenario that cannot run here says why instead.
"""

import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import plot
from contestants import (HERE, Broker, Contestant, Unusable, cpu_ns, family_cpu_ns, memory_kb,
                         send_signal)

RATE = 2000          # connections per second, at a fixed rate
IN_FLIGHT_MAX = 512  # at a fixed rate: more than that are late


class Section:
    def __init__(self, title, head):
        self.title, self.head = title, head
        self.rows, self.notes = [], []

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])


def median(values):
    return statistics.median(values)


def spread(values, digits=2):
    return f'{min(values):.{digits}f}..{max(values):.{digits}f}'


def ratio_of(xs, ys):
    """Round by round, so that what disturbs a whole round cancels."""
    values = [x / y for x, y in zip(xs, ys) if y]
    return f'{median(values):.2f} ({spread(values)})' if values else '-'


class Hogs:
    """Processes that use the processors without a break: two for each."""

    def __enter__(self):
        self.processes = [subprocess.Popen([sys.executable, '-c', 'while True: pass'])
                          for _ in range(2 * os.cpu_count())]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


class Quiet:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Scenarios:
    def __init__(self, run, quick):
        self.run, self.quick = run, quick
        self.rounds = 3 if quick else 9
        self.seconds = 0.4 if quick else 1
        self.running = {c.key: c for c in run.contestants if not c.skipped}

    def load(self, contestant, *arguments):
        done = subprocess.run([self.run.load_client, *map(str, arguments[:-2]),
                               str(contestant.port), *map(str, arguments[-2:])],
                              stdout=subprocess.PIPE, timeout=60)
        sample = json.loads(done.stdout)
        self.run.errors += sample['errors']
        return sample

    def fixed_rate(self, contestant, seconds, *more):
        return self.load(contestant, '-r', RATE, *more, IN_FLIGHT_MAX, seconds)

    # --- latency at a fixed rate ----------------------------------------------------------

    def latency(self):
        section = Section(f'Latency at {RATE} connections per second, from when each was due',
                          ['', 'machine', 'contestant', 'p50 us', 'p99 us', 'min..max',
                           'p99.9 us', 'p99 as a ratio to b'])
        keys = [key for key in 'abBcCdeh' if key in self.running]
        for machine, state in (('quiet', Quiet), (f'{2 * os.cpu_count()} busy loops', Hogs)):
            samples = {key: [] for key in keys}
            for turn in range(self.rounds):
                with state():
                    for key in keys[turn % len(keys):] + keys[:turn % len(keys)]:
                        samples[key].append(self.fixed_rate(self.running[key], self.seconds))
            for key in keys:
                pick = lambda name, k=key: [s[name] for s in samples[k]]
                section.add(key, machine, self.running[key].title,
                            f"{median(pick('p50_us')):.0f}", f"{median(pick('p99_us')):.0f}",
                            spread(pick('p99_us'), 0), f"{median(pick('p999_us')):.0f}",
                            ratio_of(pick('p99_us'), [s['p99_us'] for s in samples['b']])
                            if 'b' in samples else '-')
        return section

    # --- beside busy loops ----------------------------------------------------------------

    def hogs(self):
        """Whether the broker's own scheduling costs anything where others never sleep."""
        section = Section('64 in flight beside busy loops: scheduling = auto against other',
                          ['', 'contestant', 'conn/s', 'min..max', 'as a ratio to other'])
        if not {'c', 'C'} <= set(self.running):
            raise Unusable('needs c and C')
        rates = {'C': [], 'c': []}
        with Hogs():
            for turn in range(2 * self.rounds):
                for key in ('cC', 'Cc')[turn % 2]:
                    rates[key].append(self.load(self.running[key], 64, self.seconds)['per_second'])
        for key in 'Cc':
            section.add(key, self.running[key].title, f'{median(rates[key]):.0f}',
                        spread(rates[key], 0), ratio_of(rates[key], rates['C']))
        return section

    # --- reloads --------------------------------------------------------------------------

    def reloads(self):
        section = Section(f'Reloads at {RATE} connections per second: one each 200 ms, against none',
                          ['contestant', 'reloads', 'connections', 'failed', 'p50 us', 'p99 us',
                           'max us'])
        broker = self.running.get('c')
        if not broker:
            raise Unusable('needs c')
        seconds = 2 if self.quick else 10
        for each in (None, 0.2):
            stop = threading.Event()
            count = [0]

            def reload_each():
                while not stop.wait(each):
                    send_signal(broker.master, signal.SIGHUP)
                    count[0] += 1

            thread = threading.Thread(target=reload_each)
            if each:
                thread.start()
            try:
                s = self.fixed_rate(broker, seconds)
            finally:
                stop.set()
                if each:
                    thread.join()
            section.add(broker.title, count[0], s['connections'], s['errors'],
                        f"{s['p50_us']:.0f}", f"{s['p99_us']:.0f}", f"{s['max_us']:.0f}")
        return section

    def picture(self):
        """The worst latency of each 10 ms, through two reloads."""
        broker = self.running.get('c')
        if not broker:
            raise Unusable('needs c')
        at = (1.0, 2.0)
        timers = [threading.Timer(t, send_signal, (broker.master, signal.SIGHUP)) for t in at]
        for timer in timers:
            timer.start()
        sample = self.fixed_rate(broker, 3, '-s', 10)
        for timer in timers:
            timer.join()
        return plot.svg([us for us, _ in sample['series']][:300], 0.01, at,
                        f'Worst latency of each 10 ms, {RATE} connections per second, a reload '
                        f'after 1 s and 2 s: {sample["errors"]} failed')

    # --- many workers ---------------------------------------------------------------------

    def many_workers(self):
        n = 200 if self.quick else 1000
        section = Section(f'{n} workers, 64 in flight',
                          ['contestant', 'workers', 'balance', 'master us/conn', 'min..max',
                           'as a ratio to 2 workers', 'master VmRSS KiB'])
        direct = os.path.join(self.run.build, 'bench', 'direct')
        floor = os.path.join(self.run.build, 'bench', 'floor')
        shapes = [('floor', '-', lambda w: Contestant('', '', [floor, '0', str(w)]))]
        for balance in ('round-robin', 'source', 'least-connections'):
            shapes.append(('broker', balance, lambda w, b=balance: Broker(
                '', '', self.run.build, direct, workers=w, service={'balance': b})))
        for name, balance, make in shapes:
            few, many = make(2), make(n)
            try:
                few.start()
                many.start()
                costs = {few: [], many: []}
                for turn in range(self.rounds):
                    for c in ((few, many), (many, few))[turn % 2]:
                        before = cpu_ns(c.master)
                        s = self.load(c, 64, self.seconds)
                        costs[c].append((cpu_ns(c.master) - before) / 1e3 / max(s['connections'], 1))
                for c, w in ((few, 2), (many, n)):
                    section.add(name, w, balance, f'{median(costs[c]):.2f}', spread(costs[c]),
                                ratio_of(costs[c], costs[few]), memory_kb(c.master)[0])
            finally:
                few.stop()
                many.stop()
        return section

    def big_reload(self):
        """A reload starts each worker anew: how long beyond that does it take, and who notices?"""
        n = 100 if self.quick else 1000
        section = Section(f'Starting and reloading {n} workers, {RATE // 4} connections per second '
                          'meanwhile', ['surge', 'start s', 'reload s', 'connections', 'failed',
                                        'p99 us', 'max us'])
        direct = os.path.join(self.run.build, 'bench', 'direct')
        ctl = os.path.join(self.run.build, 'brokerctl')
        for surge in (1, 8):
            broker = Broker('', '', self.run.build, direct, workers=n, service={'surge': surge})
            try:
                began = time.monotonic()
                broker.start()
                started = time.monotonic() - began
                load = subprocess.Popen([self.run.load_client, '-r', str(RATE // 4),
                                         str(broker.port), str(IN_FLIGHT_MAX), '600'],
                                        stdout=subprocess.PIPE)
                began = time.monotonic()
                subprocess.run([ctl, '-c', broker.config, 'reload'], stdout=subprocess.DEVNULL,
                               check=True, timeout=300)
                took = time.monotonic() - began
                load.terminate()
                sample = json.loads(load.communicate()[0])
            finally:
                broker.stop()
            self.run.errors += sample['errors']
            section.add(surge, f'{started:.1f}', f'{took:.1f}', sample['connections'],
                        sample['errors'], f"{sample['p99_us']:.0f}", f"{sample['max_us']:.0f}")
        return section

    def memory(self):
        """Of workers that have never had a connection, and of the broker that waits for one."""
        section = Section('Memory of the broker, idle', ['workers', 'VmRSS KiB', 'for each more'])
        direct = os.path.join(self.run.build, 'bench', 'direct')
        sizes = []
        for n in (2, 200 if self.quick else 1000):
            broker = Broker('', '', self.run.build, direct, workers=n)
            try:
                broker.start()
                sizes.append((n, memory_kb(broker.master)[0]))
            finally:
                broker.stop()
        (few, small), (many, large) = sizes
        section.add(few, small, '')
        section.add(many, large, f'{(large - small) / (many - few):.2f} KiB')
        return section

    # --- idle connections -----------------------------------------------------------------

    def idle(self):
        n = 5000 if self.quick else 100000
        need = n + 1000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, need), max(hard, need)))
        except (ValueError, PermissionError):
            n = min(n, hard - 1000)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        section = Section(f'{n} idle connections', ['', 'master VmRSS KiB', 'descriptors'])
        app = os.path.join(HERE, 'app.js')
        broker = Broker('', '', self.run.build, f'node {app}')
        clients = []
        try:
            broker.start()
            self.load(broker, 16, 0.2)
            look = lambda: (memory_kb(broker.master)[0],
                            len(os.listdir(f'/proc/{broker.master}/fd')))
            section.add('before', *look())
            for i in range(n):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
                s.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
                s.bind((f'127.0.0.{2 + i % 16}', 0))
                s.connect(('127.0.0.1', broker.port))
                clients.append(s)
            section.add('open', *look())
        finally:
            for s in clients:
                s.close()
            broker.stop()
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return section

    # --- all of them ----------------------------------------------------------------------

    def all(self):
        found = []
        for scenario in (self.latency, self.hogs, self.reloads, self.many_workers, self.big_reload,
                         self.memory, self.idle):
            print(f'scenario: {scenario.__name__}', file=sys.stderr)
            try:
                found.append(scenario())
            except Unusable as why:
                section = Section(f'skipped: {scenario.__name__}: {why}', [])
                found.append(section)
        return found
