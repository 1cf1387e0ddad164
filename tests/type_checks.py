"""How shapes and types are checked while tests run: by beartype, where a whole number counts as a number."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
