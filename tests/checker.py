"""The run-time type checker of the tests: beartype, where a float may be written as a whole number."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
