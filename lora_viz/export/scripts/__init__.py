"""Which script of plain PyTorch or NumPy repeats what a page has computed? One file for each kind of computation."""
