"""What a lesson offers to take along: trained adapters, or scripts that repeat what was computed."""

from __future__ import annotations

from lora_viz.core.experiment import Sweep
from lora_viz.core.run import Run
from lora_viz.export.scripts.script import Scripts

__all__ = ["Exports"]

# A finished run; sweeps, of which the adapter that is chosen is trained again when it is asked for; or scripts.
Exports = Run | tuple[Sweep, ...] | Scripts
