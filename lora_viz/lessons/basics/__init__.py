"""The four first lessons: bottleneck, rank, gradient flow, merge."""
