"""The bridge to ../rules: in a checkout `shapecheck.rules` is that folder.

In a wheel the package of that name lies in here and shadows this file, on purpose.
"""

from pathlib import Path

__path__ = [str(Path(__file__).parents[1] / "rules")]
