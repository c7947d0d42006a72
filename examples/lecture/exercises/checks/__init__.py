"""Checks of the exercises: for each, examples with their results, common mistakes with their sentences, and hints.

checking    call a function, compare its results, recognise mistakes; the command of an exercise
descending  descents that stop, for points 1 and 2
tools       references by the engine's tape and optimizers, and pictures
point…      the functions of one exercise
"""
