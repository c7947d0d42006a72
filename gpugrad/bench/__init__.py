"""Benchmarks of kernels, training and estimators, and records that can be compared and plotted.

`measure` measures, `engines` trains with gpugrad and other libraries, `records` stores and compares results, and
`pictures` plots them.

measure/timing      Repeat a call until its median settles.
measure/machine     Describe the machine: processor, GPU, versions, revision.
measure/ceilings    Measure the machine's limits: copies and matrix products.
measure/kernels     Time every kernel at the sizes of its contract.
measure/libraries   Do the same work with NumPy, CuPy and PyTorch.
measure/training    Time training steps and training to an accuracy, each engine in its own process (`workers`).
measure/latency     Time predictions of one row, alone and while another thread trains.
measure/company     Keep cores busy with other processes.
measure/scaling     Time a step for growing width, depth and batch size.
measure/startup     Time a process from its start to the first step.
measure/memory      Compare the peak memory of a run with its bound.
measure/estimators  Compare scores and times with scikit-learn's estimators.
measure/tune        Find the fastest variant of each product of a model.
measure/networks    The networks and data of the training measurements.
records/record      Read and write a record.
records/rows        Check and select the rows of a record.
records/compare     Compare two records.
records/summary     Summarize a record in a few sentences.
records/report      Write a record as an HTML page.
"""
