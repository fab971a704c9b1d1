"""What the samples of a run say: medians, ratios with their spread, targets, two tables."""

import datetime
import os
import platform
import re
import statistics

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'docs', 'performance.md')
IN_FLIGHT = (1, 16, 64)


def median(values):
    return statistics.median(values)


def machine_facts(program):
    """When, and on what; @program was compiled with what all of tests/bench was."""
    with open(program, 'rb') as f:
        compilers = re.findall(rb'GCC: \([^)]*\) [\d.]+|clang version [\d.]+', f.read())
    compiler = max(compilers, default=b'?').decode()  # clang links objects made by GCC
    with open('/proc/cpuinfo') as f:
        models = re.findall(r'^model name\s*: (.*)$', f.read(), re.M)
    return [
        f'date: {datetime.datetime.now().astimezone().isoformat(timespec="seconds")}',
        f'kernel: {platform.release()} {platform.machine()}',
        f'CPUs: {os.cpu_count()} x {models[0] if models else "?"}',
        f'compiler: {compiler}',
    ]


def update_doc(name, markdown):
    """Replaces what stands in the page between the comments of that name."""
    begin, end = f'<!-- {name}: begin -->', f'<!-- {name}: end -->'
    with open(DOC) as f:
        head, rest = f.read().split(begin, 1)
    with open(DOC, 'w') as f:
        f.write(f'{head}{begin}\n\n{markdown}\n{end}{rest.split(end, 1)[1]}')


class Ratio:
    """One number per round, made from samples of that round, so that what disturbs a whole round
    cancels. `pooled` is the same made once from the medians over all rounds; None: impossible."""

    def __init__(self, what, per_round, pooled, target=None, at_most=True):
        self.what, self.values, self.pooled = what, per_round, pooled
        self.target, self.at_most = target, at_most

    def verdict(self):
        if self.target is None:
            return ''
        if not self.values:
            return 'NOT MEASURABLE'
        value = median(self.values)
        met = value <= self.target if self.at_most else value >= self.target
        return 'met' if met else 'MISSED'

    def target_text(self):
        if self.target is None:
            return ''
        return f'{"at most" if self.at_most else "at least"} {self.target:g}'


def make_ratio(samples, what, function, keys, level, **target):
    """@function takes the samples of @keys at @level. None if a contestant did not take part."""
    columns = [samples.get((key, level)) for key in keys]
    if not all(columns):
        return None
    per_round = [function(*row) for row in zip(*columns)]
    per_round = [value for value in per_round if value is not None]
    medians = [{name: median([s[name] for s in column])
                for name in ('per_second', 'p50_us', 'p99_us', 'cpu_us', 'all_us')} for column in columns]
    pooled = function(*medians)
    return Ratio(what, per_round, pooled, **target)


def quotient(name):
    return lambda x, y: x[name] / y[name] if y[name] else None


def added_p50(c, b, a):
    """None when the floor seemed to cost nothing: that round was noise."""
    floor = b['p50_us'] - a['p50_us']
    return (c['p50_us'] - a['p50_us']) / floor if floor > 0 else None


def ratios(samples):
    found = []
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'noise: B/b master CPU per connection, {level} in flight',
                                quotient('cpu_us'), 'Bb', level))
    found.append(make_ratio(samples, 'noise: added p50, (B-a)/(b-a), 1 in flight', added_p50,
                            'Bba', 1))
    found.append(make_ratio(samples, 'noise: B/b connections per second, 64 in flight',
                            quotient('per_second'), 'Bb', 64))
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'c/b master CPU per connection, {level} in flight',
                                quotient('cpu_us'), 'cb', level,
                                target=1.1 if level == 1 else 0.8))
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'c/C master CPU per connection, {level} in flight',
                                quotient('cpu_us'), 'cC', level))
    found.append(make_ratio(samples, 'added p50, (c-a)/(b-a), 1 in flight', added_p50, 'cba', 1,
                            target=1.4))
    found.append(make_ratio(samples, 'noise: B/b p99, 1 in flight', quotient('p99_us'), 'Bb', 1))
    found.append(make_ratio(samples, 'c/b p99, 1 in flight', quotient('p99_us'), 'cb', 1,
                            target=1.1))
    found.append(make_ratio(samples, 'c/b connections per second, 64 in flight',
                            quotient('per_second'), 'cb', 64, target=1.05, at_most=False))
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'c/b CPU of all per connection, {level} in flight',
                                quotient('all_us'), 'cb', level))
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'c/a connections per second, {level} in flight',
                                quotient('per_second'), 'ca', level))
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'e/d connections per second, {level} in flight',
                                quotient('per_second'), 'ed', level, at_most=False,
                                target={1: 1.5, 64: 1.9}.get(level)))
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'e/h connections per second, {level} in flight',
                                quotient('per_second'), 'eh', level, target=2, at_most=False))
    for level in IN_FLIGHT:
        found.append(make_ratio(samples, f'd/e master CPU per connection, {level} in flight',
                                quotient('cpu_us'), 'de', level))
    found.append(make_ratio(samples, 'e/f connections per second, 64 in flight',
                            quotient('per_second'), 'ef', 64))
    return [r for r in found if r]


def spread(values, digits):
    return f'{min(values):.{digits}f}..{max(values):.{digits}f}'


def result_rows(run):
    rows = []
    for level in IN_FLIGHT:
        for contestant in run.contestants:
            column = run.samples.get((contestant.key, level))
            if not column:
                continue
            pick = lambda name: [s[name] for s in column]
            rows.append([str(level), contestant.key, contestant.title,
                         f"{median(pick('per_second')):.0f}", spread(pick('per_second'), 0),
                         f"{median(pick('p50_us')):.1f}", f"{median(pick('p99_us')):.0f}",
                         f"{median(pick('cpu_us')):.2f}", spread(pick('cpu_us'), 2),
                         f"{median(pick('workers_us')):.1f}", f"{median(pick('all_us')):.1f}",
                         str(sum(pick('errors')))])
    return rows


def memory_rows(run):
    rows = []
    for contestant in run.contestants:
        if contestant.key not in run.memory:
            continue
        rss, anon = run.memory[contestant.key]
        verdict = ''
        if contestant.key == 'c':
            verdict = 'below 3072: ' + ('met' if rss < 3072 else 'MISSED')
        rows.append([contestant.key, contestant.title, str(rss), str(anon),
                     run.worker_shares(contestant.key), verdict])
    return rows


def ratio_rows(ratios):
    rows = []
    for r in ratios:
        middle = [f'{median(r.values):.2f}', spread(r.values, 2)] if r.values else ['-', '-']
        pooled = '-' if r.pooled is None else f'{r.pooled:.2f}'
        rows.append([r.what, *middle, pooled, r.target_text(), r.verdict()])
    return rows


RESULT_HEAD = ['in flight', '', 'contestant', 'conn/s', 'min..max', 'p50 us', 'p99 us',
               'master us/conn', 'min..max', 'workers us/conn', 'all us/conn', 'errors']
RATIO_HEAD = ['ratio', 'median', 'min..max', 'of medians', 'target', 'verdict']
MEMORY_HEAD = ['', 'contestant', 'master VmRSS KiB', 'of it RssAnon', 'answers per worker',
               'target']


def text_table(head, rows):
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    numeric = [all(row[i][:1].isdigit() or row[i] == '-' for row in rows) for i in range(len(head))]

    def line(row):
        cells = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric)]
        return '  '.join(cells).rstrip()

    return '\n'.join([line(head), '  '.join('-' * w for w in widths)] + [line(r) for r in rows])


def markdown_table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)]
    lines += ['| ' + ' | '.join(row) + ' |' for row in rows]
    return '\n'.join(lines)


def render(run, table, fence):
    parts = [fence(run.facts)]
    parts.append(table(RESULT_HEAD, result_rows(run)))
    rows = ratio_rows(ratios(run.samples))
    if rows:
        parts.append(table(RATIO_HEAD, rows))
    parts.append(table(MEMORY_HEAD, memory_rows(run)))
    for section in run.sections:
        parts.append(fence([section.title]))
        if section.rows:
            parts.append(table(section.head, section.rows))
    skipped = [f'skipped: {c.key} ({c.title}): {c.skipped}' for c in run.contestants if c.skipped]
    if skipped:
        parts.append('\n'.join(skipped))
    return '\n\n'.join(parts) + '\n'


def text(run):
    return render(run, text_table, '\n'.join)


def markdown(run):
    return render(run, markdown_table, lambda facts: '\n'.join(f'- {fact}' for fact in facts))
