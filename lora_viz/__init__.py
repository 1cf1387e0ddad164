"""Small real LoRA layers, trained live and recorded so that they can be watched."""
