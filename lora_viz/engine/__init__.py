"""Training: a sweep in, a run out. Stacks, steps, kernels for GPUs, exact answers."""
