"""JAX with eight virtual CPU devices, told before it starts: a process of its own.

They prove that numbers are right, never that anything is faster.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # it does not read a TPU's programs back
