"""What is said when something cannot be done as asked."""

__all__ = ["Refusal"]


class Refusal(ValueError):
    """One sentence that names what was given and what is allowed; every error that a visitor may cause is one."""
