"""How often Python looks for cyclic garbage, in all our processes."""

import gc

# Tasks make much short-lived garbage and few cycles: the default threshold of 700 collects too often.
_THRESHOLDS = (50_000, 20, 50)


def collect_less_often() -> None:
    """Call this after the imports: the collector no longer looks at the objects that exist by then."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
