"""Progress of a training inside a notebook."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class NotebookProgress:
    """A bar with the losses by name for each stage; an instance is the ``report`` callback of ``fit``."""

    def __init__(self) -> None:
        self.bars: dict[str, Any] = {}

    def __call__(self, stage: str, step: int, n_steps: int, terms: dict[str, float]) -> None:
        """Move the stage's bar and show its losses."""
        if stage not in self.bars:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # without ipywidgets the bar is made of text, which will do
                from tqdm.auto import tqdm

                self.bars[stage] = tqdm(total=n_steps, desc=stage)
        bar = self.bars[stage]
        bar.set_postfix({name: f"{value:.3f}" for name, value in terms.items() if name != "loss"}, refresh=False)
        bar.update(step - bar.n)
        if step == n_steps:
            bar.close()
