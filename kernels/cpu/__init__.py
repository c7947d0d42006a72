"""What the compiled CPU loops share.

team       loops over many rows, shared out over the cores
program    a recorded step put together into a few calls of compiled code
sums       sums with the same bits on any number of cores
exp        exponentials and logarithms that the compiler vectorises
vectors    matrix tiles in LLVM vectors
options    how loops are compiled; linking, outline and atomics are what that takes
"""
