#!/usr/bin/env python3
"""The reader that the tests of metrics rely on: it takes what is right and nothing else."""

from harness import *
from lib import openmetrics

HEAD = "# TYPE a counter\n# HELP a Text\n"
HISTOGRAM = "# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n# HELP h_seconds Text\n"
BUCKETS = 'h_seconds_bucket{le="0.5"} 1\nh_seconds_bucket{le="+Inf"} 2\n'
STATES = '# TYPE s stateset\n# HELP s Text\n'


def parse(text, end="# EOF\n"):
    return openmetrics.parse(text + end)


@test
def what_is_right_is_read():
    metrics = parse(
        HEAD + 'a_total{x="1",y="\\\\ \\" \\n,}"} 5\na_total{x="2"} 1e3\n'
        + HISTOGRAM + BUCKETS + "h_seconds_count 2\nh_seconds_sum 3.25\n"
        + STATES + 's{w="1",s="up"} 1\ns{w="1",s="down"} 0\n'
        + '# TYPE b info\n# HELP b \\\\ and \\n\nb_info{version="1"} 1\n'
        + "# TYPE g gauge\n# HELP g \ng -5 1234.5\n"
    )
    assert metrics.value("a_total", x="1") == 5
    assert metrics.sum("a_total") == 1005
    assert metrics.samples("a_total", x="1")[0].labels["y"] == '\\ " \n,}'
    assert metrics.families["b"].help == "\\ and \n"
    assert metrics.families["h_seconds"].unit == "seconds"
    assert metrics.value("g") == -5
    assert parse("").families == {}


BAD = {
    "no end": (HEAD + "a_total 1\n", ""),
    "no newline at the end": (HEAD, "# EOF"),
    "something behind the end": (HEAD, "# EOF\na_total 1\n"),
    "two ends": (HEAD, "# EOF\n# EOF\n"),
    "an empty line": HEAD + "\n",
    "carriage returns": HEAD + "a_total 1\r\n",
    "not UTF-8": b"# TYPE a counter\n# HELP a \xff\n# EOF\n",
    "another comment": HEAD + "# hello\n",
    "unknown metadata": "# TIPE a counter\n",
    "no type": "# HELP a Text\na_total 1\n",
    "an unknown type": "# TYPE a number\n# HELP a Text\n",
    "no help": "# TYPE a counter\na_total 1\n",
    "type twice": "# TYPE a counter\n# TYPE a counter\n# HELP a Text\n",
    "help twice": HEAD + "# HELP a Text\n",
    "metadata behind samples": "# TYPE a counter\na_total 1\n# HELP a Text\n",
    "a family twice": HEAD + "# TYPE b gauge\n# HELP b Text\n" + HEAD,
    "a sample out of place": HEAD + "# TYPE b gauge\n# HELP b Text\na_total 1\n",
    "a sample without a family": "a_total 1\n",
    "a name that clashes": HEAD + "# TYPE a_total gauge\n# HELP a_total Text\n",
    "a bad name": "# TYPE 1a counter\n# HELP 1a Text\n",
    "a counter without its suffix": HEAD + "a 1\n",
    "a gauge with a suffix": "# TYPE a gauge\n# HELP a Text\na_total 1\n",
    "a negative counter": HEAD + "a_total -1\n",
    "a counter that is no number": HEAD + "a_total NaN\n",
    "no value": HEAD + "a_total\n",
    "a value in words": HEAD + "a_total one\n",
    "two blanks": HEAD + "a_total  1\n",
    "an underscore in a number": HEAD + "a_total 1_000\n",
    "three values": HEAD + "a_total 1 2 3\n",
    "no blank": HEAD + 'a_total{x="1"}1\n',
    "a series twice": HEAD + 'a_total{x="1",y="2"} 1\na_total{y="2",x="1"} 1\n',
    "a label twice": HEAD + 'a_total{x="1",x="2"} 1\n',
    "a bad label": HEAD + 'a_total{x:y="1"} 1\n',
    "a reserved label": HEAD + 'a_total{__x="1"} 1\n',
    "a label without quotes": HEAD + "a_total{x=1} 1\n",
    "a label without an end": HEAD + 'a_total{x="1} 1\n',
    "labels without a comma": HEAD + 'a_total{x="1"y="2"} 1\n',
    "a comma too much": HEAD + 'a_total{x="1",} 1\n',
    "a bad escape": HEAD + 'a_total{x="\\t"} 1\n',
    "a bad escape in help": "# TYPE a counter\n# HELP a \\x\n",
    "a unit that the name does not have": "# TYPE a gauge\n# UNIT a seconds\n# HELP a Text\n",
    "a unit of an info": "# TYPE a_x info\n# UNIT a_x x\n# HELP a_x Text\n",
    "no +Inf": HISTOGRAM + 'h_seconds_bucket{le="0.5"} 1\nh_seconds_count 1\nh_seconds_sum 1\n',
    "no bucket": HISTOGRAM + "h_seconds_count 1\nh_seconds_sum 1\n",
    "no le": HISTOGRAM + "h_seconds_bucket 1\nh_seconds_count 1\nh_seconds_sum 1\n",
    "another count": HISTOGRAM + BUCKETS + "h_seconds_count 3\nh_seconds_sum 1\n",
    "no sum": HISTOGRAM + BUCKETS + "h_seconds_count 2\n",
    "a negative sum": HISTOGRAM + BUCKETS + "h_seconds_count 2\nh_seconds_sum -1\n",
    "buckets that shrink": HISTOGRAM + BUCKETS.replace("} 1", "} 3") + "h_seconds_count 2\nh_seconds_sum 1\n",
    "bounds in disorder": HISTOGRAM + 'h_seconds_bucket{le="2.0"} 0\n' + BUCKETS + "h_seconds_count 2\nh_seconds_sum 1\n",
    "a bound that is not canonical": HISTOGRAM + BUCKETS.replace("0.5", "0.50") + "h_seconds_count 2\nh_seconds_sum 1\n",
    "a whole bound without its point": HISTOGRAM + BUCKETS.replace("0.5", "1") + "h_seconds_count 2\nh_seconds_sum 1\n",
    "half a count": HISTOGRAM + BUCKETS.replace("} 1", "} 0.5") + "h_seconds_count 2\nh_seconds_sum 1\n",
    "metrics interleaved": HISTOGRAM + "".join(
        'h_seconds_bucket{x="%d",le="+Inf"} 1\n' % x for x in (1, 2)
    ) + "".join('h_seconds_count{x="%d"} 1\nh_seconds_sum{x="%d"} 1\n' % (x, x) for x in (1, 2)),
    "an info that is 2": '# TYPE b info\n# HELP b Text\nb_info{x="1"} 2\n',
    "a state without its label": STATES + "s 1\n",
    "a state that is 2": STATES + 's{s="up"} 2\n',
    "two states at once": STATES + 's{s="up"} 1\ns{s="down"} 1\n',
    "no state": STATES + 's{s="up"} 0\n',
}


def make(name, case):
    def run():
        try:
            if isinstance(case, bytes):
                openmetrics.parse(case)
            else:
                parse(*case) if isinstance(case, tuple) else parse(case)
        except openmetrics.Malformed:
            return
        raise AssertionError("%s was taken: %r" % (name, case))

    return run


for name, case in BAD.items():
    add_test("refused: " + name, make(name, case))

main()
