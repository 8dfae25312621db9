"""A job's process: what must be settled before JAX is imported. Nothing here imports JAX.

preparation   threads, precision, device, log and Ctrl-C: ``prepare``, which scripts call first
environment   what people export, kept out of jobs
compiled      compiled programs, kept whole for the next process
gpu_slots     GPUs of one machine, shared by jobs that know nothing of each other
"""

from lopt.process.gpu_slots import NoGPUError
from lopt.process.preparation import prepare

__all__ = ["NoGPUError", "prepare"]
