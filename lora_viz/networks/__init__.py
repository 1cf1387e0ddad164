"""Real small networks: handwritten digits, a sentence encoder, and what was measured on them."""
