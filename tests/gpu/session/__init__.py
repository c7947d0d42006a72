"""The parts of record.py: a session with a GPU, in stages.

run           Run the stages in order, each within its share of the minutes, and write the record.
stages        The work of each stage, in processes.
children      A process that prints results and is killed at its limit.
work          The work of such a process.
launch_costs  Measure the cost of a launch.
reporter      Report the outcome of each test from within pytest.
page          The record as a page.
tables        The results of a stage as a sentence and tables.
"""
