"""The LoRA layer and what there is to train: starts, variants, tasks; its first step, and what merging does to it."""
