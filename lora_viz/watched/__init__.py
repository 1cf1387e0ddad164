"""A training of the reader's own, watched while it runs: gradients, sizes and spectra of its adapters, as a film."""
