"""Measuring: kernels against the machine's limits, training beside its peers, and records that can be compared.

timing      repeats a call until the median is known well enough
machine     what was measured on: processor, GPU, versions, revision
ceilings    what the machine can do at best: copies and matrix products
kernels     every kernel at the sizes of its contract
"""
