"""What is said when something cannot be done as asked."""

from lora_viz.i18n.outside import plain

__all__ = ["Refusal"]


class Refusal(ValueError):
    """One sentence that names what was given and what is allowed; every error that a visitor may cause is one."""

    def __str__(self) -> str:
        return plain(self.said)

    @property
    def said(self) -> str:
        """The sentence, which still knows what of it are words from outside: for the screen."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else ""
