"""The engine: devices, tensors, the tape and recording.

device          memory for arrays, and `Device.run`, the one place that launches work; cpu_device is the CPU,
                cuda_device the GPU; device_in_turns those whose launches take turns
sharing         turns of threads that share something, and what each has for itself
tensor          an array and its place on the tape; creation makes one, lending passes its memory to other libraries
tape            the chain rule
arithmetic      operations of the tape that run in the array library
functional      operations of networks: each pairs a forward kernel with its backward kernel
parameter       the leaves that an optimizer trains, in one flat buffer
recording       runs a step once and replays it; recorder collects its launches
precision       how the factors of products are rounded
random          generators of initial weights and of dropout
interop         arrays of other libraries in the same memory
gradcheck       gradients against finite differences
check           kernels against their references; compilation compiles them for every architecture
profiling       the time of each launch
tuning          the fastest variants of products, kept per GPU
files, host, operations, version    shared helpers
"""

from . import arithmetic, cpu_device, cuda_device, functional

# They register operations and kinds of devices when they are loaded.
__all__ = ["arithmetic", "cpu_device", "cuda_device", "functional"]
