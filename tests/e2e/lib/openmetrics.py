"""
A strict reader of the OpenMetrics text format, version 1.0.0. What the specification forbids, or
advises against for a reason, raises Malformed with the line.
"""

import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z|[+-]?(Inf|Infinity)\Z|NaN\Z")
SUFFIXES = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum", "_created"),
    "info": ("_info",),
    "stateset": ("",),
    "unknown": ("",),
}
ESCAPES = {"\\": "\\", '"': '"', "n": "\n"}


class Malformed(Exception):
    pass


class Sample:
    def __init__(self, name, labels, value):
        self.name, self.labels, self.value = name, labels, value

    def key(self, without=()):
        return self.name, tuple(sorted((k, v) for k, v in self.labels.items() if k not in without))


class Family:
    def __init__(self, name):
        self.name, self.type, self.unit, self.help = name, None, None, None
        self.samples = []


class Metrics:
    """{name of a family: Family} in .families, and ways to get at single values."""

    def __init__(self, families):
        self.families = families

    def samples(self, name, **labels):
        """All samples of that name (with its suffix) that have these labels among theirs."""
        return [
            s
            for family in self.families.values()
            for s in family.samples
            if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())
        ]

    def sum(self, name, **labels):
        found = self.samples(name, **labels)
        assert found, "there is no %s%s" % (name, labels)
        return sum(s.value for s in found)

    def value(self, name, **labels):
        found = self.samples(name, **labels)
        assert len(found) == 1, "%d samples %s%s" % (len(found), name, labels)
        return found[0].value


def parse(text):
    """bytes or str -> Metrics"""
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("not UTF-8: %s" % error) from None
    if not text.endswith("# EOF\n"):
        raise Malformed("it does not end with # EOF and a newline")
    lines = text[:-1].split("\n")
    reader = _Reader()
    for number, line in enumerate(lines[:-1], 1):
        try:
            reader.line(line)
        except Malformed as error:
            raise Malformed("line %d: %s: %r" % (number, error, line[:200])) from None
    reader.end()
    return Metrics(reader.families)


def _need(condition, why):
    if not condition:
        raise Malformed(why)


def _unescape(text, also_quote=True):
    out, i = [], 0
    while i < len(text):
        if text[i] == "\\":
            _need(i + 1 < len(text) and text[i + 1] in ESCAPES, "a bad escape")
            out.append(ESCAPES[text[i + 1]])
            i += 2
        else:
            out.append(text[i])
            i += 1
    return "".join(out)


def _labels(text):
    """'{a="b",...}' at the beginning -> (labels, rest)"""
    labels, i = {}, 1
    while True:
        if text[i : i + 1] == "}" and not labels:
            return labels, text[i + 1 :]
        end = text.find("=", i)
        _need(end > 0, "a label without =")
        name = text[i:end]
        _need(LABEL.match(name), "a bad label name")
        _need(not name.startswith("__"), "a reserved label name")
        _need(name not in labels, "a label twice")
        _need(text[end + 1 : end + 2] == '"', "a label value without a quote")
        i = start = end + 2
        while text[i : i + 1] != '"':
            _need(i < len(text), "a label value without an end")
            i += 2 if text[i] == "\\" else 1
        labels[name] = _unescape(text[start:i])
        i += 1
        if text[i : i + 1] == "}":
            return labels, text[i + 1 :]
        _need(text[i : i + 1] == ",", "labels without a comma between")
        i += 1


def _number(text):
    _need(NUMBER.match(text), "not a number")
    return float(text)


def canonical(value):
    """A bound as every exposer writes it."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = "%.17g" % value
    for digits in range(1, 18):
        text = "%.*g" % (digits, value)
        if float(text) == value:
            break
    return text if "." in text or "e" in text else text + ".0"


class _Reader:
    def __init__(self):
        self.families, self.family, self.taken, self.series = {}, None, {}, set()

    def line(self, line):
        _need(line, "an empty line")
        _need("\r" not in line, "a carriage return")
        _need(line != "# EOF", "# EOF before the end")
        if line.startswith("#"):
            self._metadata(line)
        else:
            self._sample(line)

    def _metadata(self, line):
        words = line.split(" ", 3)
        _need(len(words) == 4 and words[0] == "#", "a comment that is no metadata")
        kind, name, text = words[1:]
        _need(kind in ("TYPE", "UNIT", "HELP"), "unknown metadata")
        _need(NAME.match(name), "a bad name")
        if not self.family or self.family.name != name:
            _need(name not in self.families, "a family in two places")
            if self.family:
                self._end_of_family()
            _need(kind == "TYPE", "a family that does not begin with its TYPE")
            self.family = self.families[name] = Family(name)
        family = self.family
        _need(not family.samples, "metadata behind samples")
        if kind == "TYPE":
            _need(family.type is None, "TYPE twice")
            _need(text in SUFFIXES, "an unknown type")
            family.type = text
            for suffix in SUFFIXES[text]:
                clash = self.taken.setdefault(name + suffix, name)
                _need(clash == name, "samples that clash with those of " + clash)
        elif kind == "UNIT":
            _need(family.unit is None, "UNIT twice")
            _need(text and name.endswith("_" + text), "a unit that is not the end of the name")
            _need(family.type not in ("info", "stateset"), "a unit where there can be none")
            family.unit = text
        else:
            _need(family.help is None, "HELP twice")
            family.help = _unescape(text)

    def _sample(self, line):
        end = re.search(r"[{ ]", line)
        _need(end, "neither a sample nor metadata")
        name, rest = line[: end.start()], line[end.start() :]
        _need(NAME.match(name), "a bad name")
        labels = {}
        if rest[0] == "{":
            labels, rest = _labels(rest)
        _need(rest.startswith(" "), "no blank before the value")
        values = rest[1:].split(" ")
        _need(len(values) in (1, 2), "more than a value and a time")
        value = _number(values[0])
        if len(values) == 2:
            _number(values[1])
        family = self.family
        _need(family and name.startswith(family.name), "a sample of no family, or out of place")
        suffix = name[len(family.name) :]
        _need(suffix in SUFFIXES[family.type], "a sample that its type does not have")
        sample = Sample(name, labels, value)
        self._check_value(family, suffix, sample)
        _need(sample.key() not in self.series, "a series twice")
        self.series.add(sample.key())
        family.samples.append(sample)

    def _check_value(self, family, suffix, sample):
        value, labels = sample.value, sample.labels
        if suffix in ("_total", "_bucket", "_count"):
            _need(value >= 0 and not math.isinf(value), "a counter that is negative or no number")
        if suffix in ("_bucket", "_count"):
            _need(value == int(value), "a count that is not whole")
        if suffix == "_bucket":
            _need("le" in labels, "a bucket without le")
            bound = _number(labels["le"])
            _need(labels["le"] == canonical(bound), "a bound that is not canonical")
        elif family.type == "histogram":
            _need("le" not in labels, "le on what is no bucket")
        if family.type == "info":
            _need(value == 1, "an info that is not 1")
        if family.type == "stateset":
            _need(family.name in labels, "a state without its label")
            _need(value in (0, 1), "a state that is neither 0 nor 1")

    def _end_of_family(self):
        family = self.family
        _need(family.help is not None, "a family without HELP: " + family.name)
        if family.type == "histogram":
            self._check_groups(family, self._check_histogram)
        elif family.type == "stateset":
            self._check_groups(family, self._check_states)

    @staticmethod
    def _check_groups(family, check):
        without = ("le", family.name)
        groups, last = {}, None
        for sample in family.samples:
            key = sample.key(without)[1]
            _need(key == last or key not in groups, "samples of one metric in two places")
            groups.setdefault(key, []).append(sample)
            last = key
        for samples in groups.values():
            check(family, samples)

    @staticmethod
    def _check_histogram(family, samples):
        buckets = [s for s in samples if s.name == family.name + "_bucket"]
        single = {s.name[len(family.name) :]: s.value for s in samples if s not in buckets}
        bounds = [float(s.labels["le"]) for s in buckets]
        counts = [s.value for s in buckets]
        _need(bounds and bounds[-1] == math.inf, "a histogram without +Inf at its end")
        _need(all(a < b for a, b in zip(bounds, bounds[1:])), "bounds that do not rise")
        _need(all(a <= b for a, b in zip(counts, counts[1:])), "buckets that do not add up")
        _need(single.get("_count") == counts[-1], "_count is not what +Inf has")
        _need("_sum" in single and single["_sum"] >= 0, "no _sum, or a negative one")

    @staticmethod
    def _check_states(family, samples):
        _need(sum(s.value for s in samples) == 1, "not exactly one state")

    def end(self):
        if self.family:
            self._end_of_family()
