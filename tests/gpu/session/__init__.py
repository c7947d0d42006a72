"""What record.py is made of: a session with a GPU, in stages.

run           stages in their order, each within its share of the minutes, and the record that they leave
stages        what each stage does, in processes
children      a process that says what it finds, and is killed at its limit
work          what runs in such a process
launch_costs  what a launch costs
reporter      how each test ended, from within pytest
page          the record as a page
tables        what a stage found, as a sentence and tables
"""
