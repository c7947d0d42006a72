"""The shared words of a team, read and written in every order that its threads can produce.

A race that is open for a few instructions may not show in a million jobs on two cores. Here the functions of `team` run
in one thread, not compiled. Each simulated thread stops before each word that it reads or writes, and each of them is
tried as the next one to continue. Memory orders are not tried: `atomics` requests them from the processor.
"""

import inspect
from typing import NamedTuple

import pytest

from gpugrad.kernels.cpu import team as cpu_team
from gpugrad.kernels.cpu.team import ARGUMENTS, DONE, FUNCTION, PARTS, ROWS, STEP, STOP, TICKET

TEAM, SCRATCH = 1 << 20, 1 << 21  # addresses
WORDS = (TICKET, DONE, STOP, FUNCTION, ARGUMENTS, ROWS, STEP, PARTS)
NAMES = ("TICKET", "DONE", "STOP", "FUNCTION", "ARGUMENTS", "ROWS", "STEP", "PARTS")


class Job(NamedTuple):
    function: int
    arguments: int
    rows: int
    step: int

    def parts(self):
        return [(start, min(start + self.step, self.rows)) for start in range(0, self.rows, self.step)]


TWO, THREE, OTHER_TWO = Job(1, 11, 20, 10), Job(2, 12, 21, 7), Job(3, 13, 5, 3)


class State(NamedTuple):
    """State of all threads. A thread is the list of its operations so far, as (operation, result).

    job: the number of the job that the leader posts or works on. ran: its parts that were run.
    """

    words: tuple
    job: int
    ran: tuple
    leader: tuple
    members: tuple


class Next(Exception):
    """Next operation of a thread: its name and arguments."""


class Functions:
    """Functions of `team` that receive the results of the operations so far, and stop at the next one.

    right, wrong: a text that is replaced in them.
    """

    def __init__(self, right="", wrong=""):
        operations = ("load", "store", "add", "replace", "pause", "call")
        self._names = vars(cpu_team) | {name: self._operation(name) for name in operations}
        sources = [inspect.getsource(getattr(cpu_team, name).py_func) for name in ("_post_and_work", "_work")]
        text = "\n".join(source.partition("\n")[2] for source in sources)  # without their decorators
        if right:
            assert text.count(right) == 1, f"{right!r} is there {text.count(right)} times, the test expects it once"
            text = text.replace(right, wrong)
        exec(text, self._names)

    def _operation(self, name):
        def perform(*arguments):
            for known, result in self._done:
                assert known == name
                return result
            raise Next(name, arguments)

        return perform

    def next_of(self, done, function, *arguments):
        """Return the next (operation, arguments) of a thread in a function; None where it returns."""
        self._done = iter(done)
        try:
            self._names[function](*arguments)
        except Next as following:
            return following.args
        return None


def perform(words, name, arguments):
    """Return the words after an operation, and its result."""
    if name in ("pause", "call"):
        return words, None
    address, *values = arguments
    place = WORDS.index(address - TEAM)
    old = words[place]
    new, result = {
        "load": lambda: (old, old),
        "store": lambda value: (value, None),
        "add": lambda value: (old + value, old),
        "replace": lambda expected, value: (value, True) if old == expected else (old, False),
    }[name](*values)
    return (*words[:place], new, *words[place + 1 :]), result


def and_then(done, step):
    """Return the history of a thread with one more step.

    A finished iteration of a loop is left out, since the next one begins in the same state: this keeps states few.
    """
    done = (*done, step)
    if step[0] == "add" or step == ("replace", False):  # of `_work`, which stores nothing
        return done[: max((i for i, (name, _) in enumerate(done, 1) if name == "store"), default=0)]
    if [name for name, _ in done[-6:]] == ["load", "load", "pause"] * 2:  # of the loop that waits
        return done[:-3]
    return done


def run_part(state, jobs, function, arguments, start, stop, scratch):
    """Return the parts that were run, with this one."""
    assert state.job < len(jobs), "a part is run when its leader has returned"
    job, part = jobs[state.job], (start, stop)
    assert (function, arguments) == job[:2], "a part is run with the words of another job"
    assert part in job.parts(), "a part is run that the job does not have"
    assert part not in state.ran, "a part is run twice"
    assert scratch == SCRATCH
    return tuple(sorted((*state.ran, part)))


def with_thread(state, thread, done):
    if thread == "leader":
        return state._replace(leader=done)
    others = (*state.members[:thread], *state.members[thread + 1 :])
    return state._replace(members=tuple(sorted((*others, done), key=repr)))  # all members are alike


def step_of(functions, state, thread, jobs):
    """Return (operation, state after it) of the thread that continues; None if it has nothing left to do.

    A member works again and again, also where `_watch` would see that there is nothing to be done.
    """
    if thread != "leader":
        done = state.members[thread]
        following = functions.next_of(done, "_work", TEAM, SCRATCH)
        if following is None:
            return ("returns", ()), with_thread(state, thread, ())
    elif state.job == len(jobs):
        return None
    else:
        done = state.leader
        following = functions.next_of(done, "_post_and_work", TEAM, SCRATCH, *jobs[state.job])
        if following is None:
            assert list(state.ran) == jobs[state.job].parts(), "the leader returns before all parts are done"
            return ("returns", ()), state._replace(job=state.job + 1, ran=(), leader=())
    name, arguments = following
    if name == "call":
        state = state._replace(ran=run_part(state, jobs, *arguments))
    words, result = perform(state.words, name, arguments)
    return following, with_thread(state._replace(words=words), thread, and_then(done, (name, result)))


def explore(jobs, members, functions):
    """Return all reachable states. Raises AssertionError, with the steps that lead to it, for a forbidden one."""
    first = State((0,) * len(WORDS), 0, (), (), ((),) * members)
    before, way, left = {first: set()}, {first: None}, [first]
    while left:
        state = left.pop()
        for thread in ("leader", *range(members)):
            try:
                found = step_of(functions, state, thread, jobs)
            except AssertionError as error:
                raise AssertionError(f"{error}\nafter\n{steps_to(state, way)}") from None
            if found is None:
                continue
            operation, after = found
            if after not in before:
                before[after], way[after] = set(), (state, thread, operation)
                left.append(after)
            before[after].add(state)

    left = [state for state in before if state.job == len(jobs)]
    good = set(left)  # from where the leader can finish
    while left:
        more = before[left.pop()] - good
        good |= more
        left += more
    for state in before:
        assert state in good, f"the leader waits for ever\nafter\n{steps_to(state, way)}"
    return good


def steps_to(state, way):
    steps = []
    while way[state]:
        state, thread, operation = way[state]
        name, arguments = operation
        words = [NAMES[WORDS.index(n - TEAM)] if n - TEAM in WORDS else str(n) for n in arguments]
        steps.append(" ".join(("leader" if thread == "leader" else "a member", name, *words)))
    return "\n".join(reversed(steps))


@pytest.mark.parametrize(
    ("jobs", "members"),
    [
        pytest.param([TWO, THREE, OTHER_TWO], 1, id="three jobs, one member"),
        pytest.param([THREE, TWO], 1, id="a job of fewer parts than the one before"),
        pytest.param([TWO], 2, id="two members"),
    ],
)
def test_every_part_is_run_once_with_the_words_of_its_job(jobs, members):
    """Cover members that read the ticket while a job is posted, or had read it when the next one is."""
    states = explore(jobs, members, Functions())
    assert {state.job for state in states} == set(range(len(jobs) + 1))
    runs = ("call", None)
    assert any(runs in state.leader and any(runs in done for done in state.members) for state in states)


POST = """\
    store(team + TICKET, job | PART)  # no part can be claimed until all words are written
"""
GIVE_OUT = """\
    store(team + PARTS, -(-rows // step))
    store(team + DONE, 0)
    store(team + TICKET, job)
"""
READ = """\
        ticket = load(team + TICKET)
        if ticket & PART >= load(team + PARTS):
            return
        function, arguments = load(team + FUNCTION), load(team + ARGUMENTS)
"""
RUN = """\
            call(function, arguments, start, min(start + step, rows), scratch)
            add(team + DONE, 1)
"""
WAIT = """\
    while load(team + DONE) < load(team + PARTS):
        pause()
"""


def lines(text, *order):
    """Return the lines of a text in another order."""
    found = text.splitlines(keepends=True)
    return "".join(found[i] for i in order)


# Planted fault -> (correct text, wrong text, expected message).
FAULTS = {
    "the ticket of the last job stays while one is posted": (POST, "", "a part is run"),
    "parts may be taken while a job is posted": (POST, POST.replace(" | PART", ""), "a part is run"),
    "the ticket is given out before the number of parts": (
        GIVE_OUT,
        lines(GIVE_OUT, 2, 0, 1),
        "waits for ever|returns",
    ),
    "the ticket is given out before the count of parts": (GIVE_OUT, lines(GIVE_OUT, 0, 2, 1), "waits for ever"),
    "the parts of the last job stay counted": (GIVE_OUT, lines(GIVE_OUT, 0, 2), "returns before all parts are done"),
    "a job has the number of the last one": (
        "(load(team + TICKET) | PART) + 1",
        "load(team + TICKET) & ~PART",
        "with the words of another job",
    ),
    "the words are read before the ticket": (READ, lines(READ, 3, 0, 1, 2), "with the words of another job"),
    "a part is taken without a look at the ticket": (
        "if replace(team + TICKET, ticket, ticket + 1):",
        "store(team + TICKET, ticket + 1)\n        if True:",
        "a part is run twice",
    ),
    "a part counts before it is run": (RUN, lines(RUN, 1, 0), "returns before all parts are done"),
    "a part does not count": (RUN, lines(RUN, 0), "waits for ever"),
    "the leader does not wait": (WAIT, "", "returns before all parts are done"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name):
    """Each fault is harmless in most orders: finding them shows that the exploration above is complete."""
    right, wrong, found = FAULTS[name]
    functions = Functions(right, wrong)
    with pytest.raises(AssertionError, match=found):
        explore([TWO, THREE], 1, functions)
