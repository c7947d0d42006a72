"""Measuring: kernels against the machine's limits, training beside its peers, and records that can be compared.

timing      repeats a call until the median is known well enough
machine     what was measured on: processor, GPU, versions, revision
ceilings    what the machine can do at best: copies and matrix products
kernels     every kernel at the sizes of its contract
libraries   the same work through NumPy, CuPy and PyTorch
training    whole steps and the time to an accuracy, by `engines` in processes of their own (`workers`)
scaling     how a step's time grows with its network and batch
startup     from the start of a process to the first step
memory      the peak of a training beside what it must hold
estimators  scores and times of the estimators beside scikit-learn's
tune        which variant of each product of a model is the fastest
networks    what training is measured on
record      the file that keeps it all
rows        the rows of a record's sections
compare     two records beside each other
summary     what a record says, in a few sentences
pictures    a record drawn
report      a record as a page
"""
