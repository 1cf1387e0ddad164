"""``python -m lora_viz``: the same as the command ``lora-playground``."""

from lora_viz.command import main

if __name__ == "__main__":
    main()
