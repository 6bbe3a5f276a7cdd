"""When Python looks for cyclic garbage, in every process of ours."""

import gc

# Tasks make much short-lived garbage and few cycles: the default threshold of 700 looks for them too often.
_THRESHOLDS = (50_000, 20, 50)


def collect_less_often() -> None:
    """Called once the imports are done: what there is now will stay."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
