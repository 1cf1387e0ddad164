"""What is said, in which language: English sentences in the code, one catalogue for every other language."""
