"""Jobs cut into parts, of which each thread has a share: compiled functions with which a `team` posts and runs them."""

from .atomics import add, give_way, load, pause, replace, store
from .options import compile_and_cache, compile_cpu
from .outline import call

GIVE_WAY = 256  # pauses without work before another thread may have the core

# Words that the threads share, as offsets in bytes, those that change together in a line of the cache. Waiting threads
# watch POSTED, which counts the posted jobs, and COUNT, the number of jobs of the program, 0 once all are done. JOBS is
# the address of these jobs, NEXT the index of the one to post next. FUNCTION to PARTS describe the posted job, UNDONE
# counts its parts to finish. SINGLE has room for a program of one job. From CLAIMS on, each thread has a line with its
# claim: how many parts of its share of the job nobody has taken.
STOP, SIZE, POSTED, COUNT, JOBS, NEXT = 0, 8, 64, 72, 128, 136
FUNCTION, ARGUMENTS, ROWS, STEP, PARTS, UNDONE, SINGLE, CLAIMS = 192, 200, 208, 216, 224, 256, 320, 384
LINE = 64
JOB = 4  # words per job: function, arguments, rows, step


@compile_cpu
def run_job(team, scratch, function, arguments, rows, step):
    """Run one job; alone if `team` is 0."""
    if team == 0:
        for start in range(0, rows, step):
            call(function, arguments, start, min(start + step, rows), scratch)
        return
    store(team + SINGLE, function)
    store(team + SINGLE + 8, arguments)
    store(team + SINGLE + 16, rows)
    store(team + SINGLE + 24, step)
    _lead(team, scratch, team + SINGLE, 1)


@compile_cpu
def _lead(team, scratch, jobs, count):
    """Run jobs in order, and return when the last one is done."""
    store(team + JOBS, jobs)
    store(team + NEXT, 0)
    store(team + COUNT, count)
    _go_on(team, scratch)
    seen, waited = -1, 0
    while load(team + COUNT) > 0:
        posted = load(team + POSTED)
        if posted != seen:
            seen, waited = posted, 0
            _work(team, scratch, 0)
        else:
            waited = _wait(waited)


@compile_cpu
def _wait(waited):
    """Pause once, or let a thread run that waits for this core, such as one that predicts; return `waited` + 1."""
    if waited % GIVE_WAY == GIVE_WAY - 1:
        give_way()
    pause()
    return waited + 1


@compile_cpu
def _go_on(team, scratch):
    """Post the next job that has several parts, after running those of one part that come before it.

    The thread that did the last part of the job before goes on, so that a thread whose core does something else holds
    nobody up, unless it has claimed a part.
    """
    while True:
        i = load(team + NEXT)
        if i == load(team + COUNT):
            store(team + COUNT, 0)
            return
        store(team + NEXT, i + 1)
        job = load(team + JOBS) + i * JOB * 8
        function, arguments, rows, step = load(job), load(job + 8), load(job + 16), load(job + 24)
        if step < rows:
            break
        call(function, arguments, 0, rows, scratch)
    size, parts = load(team + SIZE), -(-rows // step)
    store(team + FUNCTION, function)
    store(team + ARGUMENTS, arguments)
    store(team + ROWS, rows)
    store(team + STEP, step)
    store(team + PARTS, parts)
    store(team + UNDONE, parts)
    for thread in range(size):  # from here on parts can be claimed
        share = _first(thread + 1, parts, size) - _first(thread, parts, size)
        if share > 0:
            store(team + CLAIMS + thread * LINE, share)
    add(team + POSTED, 1)  # a store could undo that of the next job, which may have been posted by now


@compile_cpu
def _first(thread, parts, size):
    """Return the first part of a thread's share."""
    return -(-thread * parts // size)


@compile_cpu
def _work(team, scratch, me):
    """Claim and run parts until none is left, of this thread's own share first.

    A share is the same range of rows in every job, so what a thread writes in one is in its cache for the next.
    """
    size = load(team + SIZE)
    thread, tried = me, 0
    while tried < size:
        address = team + CLAIMS + thread * LINE
        left = load(address)
        if left == 0:
            thread, tried = (thread + 1) % size, tried + 1
        elif replace(address, left, left - 1):
            # The words of the job stay until this part is done; before, they may have been those of another one.
            step, rows = load(team + STEP), load(team + ROWS)
            start = (_first(thread + 1, load(team + PARTS), size) - left) * step
            call(load(team + FUNCTION), load(team + ARGUMENTS), start, min(start + step, rows), scratch)
            if add(team + UNDONE, -1) == 1:
                _go_on(team, scratch)
            thread, tried = me, 0


@compile_and_cache
def watch(team, scratch, me, patience):
    """Work on each posted job; return after `patience` pauses without one, or when the team is closed."""
    seen, waited = -1, 0
    while waited < patience and load(team + STOP) == 0:
        posted = load(team + POSTED)
        if posted != seen:
            seen, waited = posted, 0
            _work(team, scratch, me)
        else:
            waited = _wait(waited)
            if waited == patience and load(team + COUNT) > 0:  # a long part, which another job may follow
                waited = 0


@compile_and_cache
def run_program(team, scratch, jobs):
    """Run jobs in order; each row of `jobs` is (function, arguments, rows, step)."""
    if team > 0:
        _lead(team, scratch, jobs.ctypes.data, jobs.shape[0])
    else:
        for i in range(jobs.shape[0]):
            function, arguments, rows, step = jobs[i]
            run_job(0, scratch, function, arguments, rows, step)
