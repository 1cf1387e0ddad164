"""Scripts of plain PyTorch or NumPy that repeat what a lesson has computed, a file for each kind of computation."""
