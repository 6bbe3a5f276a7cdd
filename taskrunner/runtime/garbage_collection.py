"""How often Python looks for cyclic garbage, in all our processes."""

import gc

# Tasks make much short-lived garbage and few cycles: the default threshold of 700 collects too often.
_THRESHOLDS = (50_000, 20, 50)


def collect_less_often() -> None:
    """Nor does the collector look at the objects that exist by now: call this again after the imports."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
