"""The engine: devices and what runs on them, tensors and the tape, recording.

device          where arrays live, and `Device.run`, the one place work is launched; cpu_device is the CPU, cuda_device
                the GPU
tensor          an array and its place on the tape; creation makes one, lending gives its memory to other libraries
tape            the chain rule
arithmetic      the tape's own operations, through the array library
functional      the operations of networks, each a forward kernel paired with its backward kernel
parameter       leaves that are learned, in one flat buffer
recording       a step run once and replayed; recorder collects what it launches
precision       how the factors of products are rounded
random          generators of initial weights and of dropout
interop         arrays of other libraries in the same memory
gradcheck       gradients against finite differences
check           kernels against their references; compilation compiles them for every architecture
profiling       the time of each launch
tuning          the fastest variants of products, kept per GPU
files, host, operations, version    what these share
"""

from . import arithmetic, cpu_device, cuda_device, functional

__all__ = [
    "arithmetic",
    "cpu_device",
    "cuda_device",
    "functional",
]  # loaded here: they register operations and kinds of device
