"""Regenerates lora_viz/networks/data/digits.npz from scikit-learn's UCI digits; the app needs no scikit-learn.

    python3 -m venv /tmp/digits && /tmp/digits/bin/pip install scikit-learn
    /tmp/digits/bin/python docs/make_digits.py

1,797 images of 8×8 pixels from 0 to 16: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI
Machine Learning Repository, 1998, CC BY 4.0; scikit-learn's packaging of its test part is BSD-3-Clause.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

if __name__ == "__main__":
    digits = load_digits()
    np.savez_compressed(
        Path("lora_viz/networks/data/digits.npz"),
        images=digits.images.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
    )
