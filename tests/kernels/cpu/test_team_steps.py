"""The shared words of a team, read and written in every order that its threads can produce.

A race that is open for a few instructions may not show in a million jobs on two cores. Here the functions of `shares`
run in one thread, not compiled. Each simulated thread stops before each word that it reads or writes, and each of them
is tried as the next one to continue. Memory orders are not tried: `atomics` requests them from the processor.
"""

import ast
import collections
import functools
import inspect
from itertools import accumulate, chain, product

import pytest

from gpugrad.kernels.cpu import shares
from gpugrad.kernels.cpu.shares import CLAIMS, COUNT, LINE, POSTED, SINGLE, SIZE, STOP

TEAM, SCRATCH, TABLE = 1 << 20, 1 << 21, 1 << 22  # addresses
NAMES = ("POSTED", "COUNT", "JOBS", "NEXT", "FUNCTION", "ARGUMENTS", "ROWS", "STEP", "PARTS", "UNDONE")
FUNCTIONS = ("run_job", "_lead", "_go_on", "_first", "_work", "watch")
WITH_WORD = {  # operation -> the word after it, and its result
    "load": lambda word: (word, word),
    "store": lambda word, value: (value, None),
    "add": lambda word, value: (word + value, word),
    "replace": lambda word, expected, value: (value, True) if word == expected else (word, False),
}
OPERATIONS = (*WITH_WORD, "call", "returns")
THREADS = """
def lead(programs):
    for address, jobs, end in programs:
        _lead(TEAM, SCRATCH, address, len(jobs)) if jobs[1:] else run_job(TEAM, SCRATCH, *jobs[0])
        returns(end)

def serve(me):
    while True:
        watch(TEAM, SCRATCH + me, me, 1)
"""

# Jobs, as (function, arguments, rows, step), named after the number of their parts.
ONE, OTHER_ONE, TWO, OTHER_TWO = (1, 11, 9, 9), (2, 12, 3, 4), (3, 13, 20, 10), (4, 14, 5, 3)
THREE, FOUR = (5, 15, 21, 7), (6, 16, 8, 2)


def parts_of(function, arguments, rows, step):
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


class Next(Exception):
    """Next operation of a thread: its name and arguments."""


class KeepResults(ast.NodeTransformer):
    """Name the result of each operation after its line, so that the variables of a function tell all that it knows."""

    def visit_Call(self, node):
        self.generic_visit(node)
        if getattr(node.func, "id", None) in OPERATIONS:
            name = ast.Name(f"_{node.lineno}_{node.col_offset}", ast.Store())
            node = ast.fix_missing_locations(ast.copy_location(ast.NamedExpr(name, node), node))
        return node


class Threads:
    """The functions of `shares` in simulated threads, of which the first leads the programs.

    What a thread will do depends on the functions that it is in, the place in each, and their variables. Each such
    state has a number. faults: texts that are replaced in the functions, and what replaces them.
    """

    def __init__(self, programs, size, faults=()):
        self.words = {TEAM + getattr(shares, name): name for name in NAMES}
        self.words |= {TEAM + SINGLE + 8 * i: f"SINGLE {i}" for i in range(4)}
        self.words |= {TEAM + CLAIMS + LINE * i: f"CLAIMS {i}" for i in range(size)}
        self._constants = {TEAM + STOP: 0, TEAM + SIZE: size}  # words that nobody writes
        ends = accumulate(len(jobs) for jobs in programs)
        tables = tuple((TABLE << i, tuple(jobs), end) for i, (jobs, end) in enumerate(zip(programs, ends, strict=True)))
        for address, jobs, _ in tables:
            self._constants |= {address + 8 * j: word for j, word in enumerate(chain(*jobs))}

        sources = [inspect.getsource(getattr(shares, name).py_func) for name in FUNCTIONS]
        text = "".join(source.partition("\n")[2] for source in sources) + THREADS  # without their decorators
        for right, wrong in faults:
            assert text.count(right) == 1, f"{right!r} is there {text.count(right)} times, the test expects it once"
            text = text.replace(right, wrong)
        tree = KeepResults().visit(ast.parse(ast.unparse(ast.parse(text))))  # with one line per statement
        self._names = vars(shares) | {"TEAM": TEAM, "SCRATCH": SCRATCH}
        self._names |= {name: functools.partial(self._perform, name) for name in OPERATIONS}
        self._names["_wait"] = lambda waited: 1
        exec(compile(tree, "threads", "exec"), self._names)

        # Of each state: how a thread came there, as its function and the results so far; its next operation; and if it
        # only looks whether there is work, with nothing claimed and nothing to post, the function where it does.
        self._begun, self.next, self.idle_in = [], [], []
        self._numbers, self._after = {}, {}
        self.first = (self._state("lead", tables), *(self._state("serve", i) for i in range(1, size)))

    def _perform(self, name, *arguments):
        if name == "load" and arguments[0] in self._constants:
            return self._constants[arguments[0]]
        for result in self._results:
            return result
        raise Next(name, *arguments)

    def _state(self, function, argument, results=()):
        """Return the state of a thread that began with this function, and whose operations had these results."""
        self._results = iter(results)
        following, frames = ("ends", 0), []
        try:
            self._names[function](argument)
        except Next as stop:
            following, trace = stop.args, stop.__traceback__
            while trace := trace.tb_next:
                code, line, variables = trace.tb_frame.f_code, f"_{trace.tb_lineno}_", trace.tb_frame.f_locals
                if code.co_filename == "threads":  # the results of a line are used in that line only
                    kept = sorted(name for name in variables if name[0] != "_" or name.startswith(line))
                    frames.append((code.co_name, trace.tb_lasti, *((name, variables[name]) for name in kept)))
        number = self._numbers.setdefault(tuple(frames), len(self.next))
        if number == len(self.next):
            self._begun.append((function, argument, results))
            self.next.append(following)
            name, address, *_ = following
            looks = name in ("load", "replace") and (
                address in (TEAM + COUNT, TEAM + POSTED) or address >= TEAM + CLAIMS
            )
            self.idle_in.append(frames[-1][0] if looks else None)
        return number

    def after(self, state, result):
        """Return the state of a thread after its next operation."""
        if (state, result) not in self._after:
            function, argument, results = self._begun[state]
            self._after[state, result] = self._state(function, argument, (*results, result))
        return self._after[state, result]


class Orders:
    """All states that a team can reach. Raises AssertionError, with the steps that lead to it, for a forbidden one.

    A state has the words, the number of jobs done, the parts of the next job that were run, and the states of the
    threads. runs: the (thread, job, part) that were run in some order.
    """

    def __init__(self, programs, size, faults=()):
        self._size, self._threads = size, Threads(programs, size, faults)
        self._places = {address: i for i, address in enumerate(self._threads.words)}
        self._jobs, self.runs = list(chain(*programs)), set()
        first = (0,) * len(self._places), 0, (), self._threads.first
        self._states, numbers = [first], {first: 0}
        self._before = collections.defaultdict(list)  # state -> what leads there: states * size + threads
        for number, state in enumerate(self._states):
            for thread in range(size):
                try:
                    after = self._step(state, thread)
                except AssertionError as error:
                    raise AssertionError(f"{error}\nafter\n{self._way(number)}") from None
                found = numbers.setdefault(after, len(self._states))
                if found == len(self._states):
                    self._states.append(after)
                self._before[found].append(number * size + thread)

    def _step(self, state, thread):
        """Return the state after the next operation of a thread."""
        (words, job, ran, threads), result = state, None
        name, *arguments = self._threads.next[threads[thread]]
        if name == "call":
            job, ran = self._run_part(job, ran, thread, *arguments)
        elif name == "returns":
            assert (job, ran) == (*arguments, ()), "the leader returns before all parts are done"
        elif name in WITH_WORD:
            assert arguments[0] in self._places, "a word is used that is no word of the team"
            place = self._places[arguments[0]]
            word, result = WITH_WORD[name](words[place], *arguments[1:])
            words = (*words[:place], word, *words[place + 1 :])
        after = self._threads.after(threads[thread], result)
        return words, job, ran, (*threads[:thread], after, *threads[thread + 1 :])

    def _run_part(self, number, ran, thread, function, arguments, start, stop, scratch):
        assert number < len(self._jobs), "a part is run when all are done"
        job, part = self._jobs[number], (start, stop)
        assert (function, arguments) == job[:2], "a part is run with the words of another job"
        assert part in parts_of(*job), "a part is run that the job does not have"
        assert part not in ran, "a part is run twice"
        assert scratch == SCRATCH + thread, "a part is run with the scratch memory of another thread"
        self.runs.add((thread, job, part))
        ran = tuple(sorted((*ran, part)))
        return (number + 1, ()) if list(ran) == parts_of(*job) else (number, ran)

    def _way(self, number):
        steps = []
        while number:
            number, thread = divmod(self._before[number][0], self._size)
            name, *arguments = self._threads.next[self._states[number][3][thread]]
            steps.append(" ".join((f"thread {thread}", name, *(str(self._threads.words.get(n, n)) for n in arguments))))
        return "\n".join(reversed(steps))

    def check_that_programs_end(self, awake, idle=()):
        """Check that an end is reached from each state, also if others than the threads awake stop where they idle."""
        idles = [function in idle for function in self._threads.idle_in]
        ended = [name == "ends" for name, *_ in self._threads.next]
        left = [  # where all programs have ended, or one has and an idle leader would begin the next
            number
            for number, (words, _, _, (leader, *_)) in enumerate(self._states)
            if ended[leader] or (0 not in awake and idles[leader] and words[NAMES.index("COUNT")] == 0)
        ]
        good = set(left)
        while left:
            for step in self._before[left.pop()]:
                number, thread = divmod(step, self._size)
                if number not in good and (thread in awake or not idles[self._states[number][3][thread]]):
                    good.add(number)
                    left.append(number)
        for number in range(len(self._states)):
            assert number in good, f"no end is reached while only {list(awake)} are awake\nafter\n{self._way(number)}"


def check(programs, size, faults=()):
    """Check all orders, and that nobody waits for a thread that has claimed nothing; return them."""
    orders = Orders(programs, size, faults)
    orders.check_that_programs_end(awake=range(size))
    for thread in range(size):
        orders.check_that_programs_end([thread], idle=("_lead", "watch", "_work"))
    return orders


@pytest.mark.parametrize(
    ("programs", "size"),
    [
        pytest.param([[FOUR, ONE, THREE, TWO]], 2, id="one part between jobs of several"),
        pytest.param([[ONE, THREE, OTHER_ONE]], 2, id="one part first and last"),
        pytest.param([[TWO, THREE], [ONE, FOUR], [OTHER_TWO]], 2, id="three programs"),
        pytest.param([[TWO]], 3, id="fewer parts than threads"),
        pytest.param([[FOUR]], 3, id="three threads", marks=pytest.mark.long),
        pytest.param([[TWO, ONE, THREE]], 3, id="three threads and jobs", marks=pytest.mark.long),
    ],
)
def test_every_part_is_run_once_with_the_words_of_its_job(programs, size):
    """In some order, each thread runs each part of the longest job: it works and helps others."""
    orders = check(programs, size)
    longest = max(chain(*programs), key=lambda job: len(parts_of(*job)))
    runs = product(range(size), [longest], parts_of(*longest))
    assert {run for run in orders.runs if run[1] == longest} == set(runs)


OPEN = "            store(team + CLAIMS + thread * LINE, share)\n"
OPENS, COUNTED = "    for thread in range(size):", "    add(team + POSTED, 1)"
LOOKS = "        if posted != seen:\n            seen, waited = posted, 0\n            _work(team, scratch, 0)"
LOOK, CLAIM = "        left = load(address)\n", "elif replace(address, left, left - 1):"
RUN = "            call(load(team + FUNCTION), load(team + ARGUMENTS)"
UNDONE = "add(team + UNDONE, -1)"
DONE = f"if {UNDONE} == 1:\n                _go_on(team, scratch)"
ADVANCE = "        store(team + NEXT, i + 1)\n"
END = "        if i + 1 == load(team + COUNT):\n            store(team + COUNT, 0)\n"
PART, MISSING, WORDS = "a part is run", "that the job does not have", "with the words of another job"
EARLY, ENDLESS, ALONE = "before all parts are done", r"only \[0, 1\] are awake", r"only \[0\] are awake"
FOUND = {"FUNCTION": WORDS, "ARGUMENTS": WORDS, "ROWS": MISSING, "STEP": PART, "PARTS": PART}


def write_late(word, value):
    line = f"    store(team + {word}, {value})\n"
    return line, "", OPEN, OPEN + line


def read_early(word, order):
    return f"load(team + {word})", "early", LOOK, order.format(LOOK, f"        early = load(team + {word})\n")


# Planted fault -> (expected message, a text, what replaces it, another text, ...).
FAULTS = {f"{word} is written after claims": (FOUND[word], *write_late(word, word.lower())) for word in FOUND}
FAULTS |= {f"{word} is read before the claim": (FOUND[word], *read_early(word, "{0}{1}")) for word in FOUND}
FAULTS |= {
    "UNDONE is written after claims": (ENDLESS, *write_late("UNDONE", "parts")),
    "a part is claimed without a look": ("run twice", CLAIM, "elif store(address, left - 1) is None:"),
    "a part counts before it is run": (WORDS, UNDONE, "last", RUN, f"            last = {UNDONE}\n{RUN}"),
    "a part does not count": (ENDLESS, UNDONE, "load(team + UNDONE)"),
    "nobody goes on": (ENDLESS, DONE, DONE.replace("_go_on(team, scratch)", "pass")),
    "everybody goes on": (WORDS, DONE, DONE.replace(" == 1", "")),
    "who finishes the last part but one goes on": (WORDS, DONE, DONE.replace("== 1", "== 2")),
    "NEXT stays": (WORDS, ADVANCE, ""),
    "NEXT stays between programs": ("no word of the team", "    store(team + NEXT, 0)\n", ""),
    "COUNT is 0 when the last job is posted": (EARLY, ADVANCE, ADVANCE + END),
    "a job of one part is left out": (WORDS, "        call(function, arguments, 0, rows, scratch)\n", ""),
    "the leader does not wait": (EARLY, "while load(team + COUNT) > 0:", "if load(team + COUNT) > 0:"),
    "shares overlap": (PART, " - _first(thread, parts, size)", " - thread * parts // size"),
    "shares leave out parts": (ENDLESS, "_first(thread + 1, parts, size) -", "(thread + 1) * parts // size -"),
    "a part is taken for another": (PART, "_first(thread + 1, load(team + PARTS), size)", "load(team + PARTS)"),
    "nobody helps others": (ALONE, "while tried < size", "while tried < 1"),
    "the leader works once": (ALONE, LOOKS, LOOKS.replace("posted != seen", "seen < 0")),
    "a job is not counted": (ALONE, COUNTED, "    load(team + POSTED)"),
    "a job is counted before its claims are open": (
        ALONE,
        "    for thread in range(size):",
        "    add(team + POSTED, 1)\n    for thread in range(size):",
        "    add(team + POSTED, 1)  #",
        "    #",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name):
    """Each fault is harmless in most orders: finding them shows that the exploration above is complete."""
    found, *texts = FAULTS[name]
    with pytest.raises(AssertionError, match=found):
        check([[THREE, ONE, TWO, OTHER_TWO], [FOUR]], 2, tuple(zip(texts[::2], texts[1::2], strict=True)))
