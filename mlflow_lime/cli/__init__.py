"""The command line: what a person typed comes in, calls of `mlflow_lime.tracking` go out.

``main`` is the group; ``init``, ``validate``, ``explain`` and ``schema`` hold a command each;
``program`` ends what was stopped; ``session`` what they share (options, clean errors, the store);
``quiet`` keeps other libraries' messages off the terminal; ``estimate`` foretells rows and seconds;
``summary`` puts results into words.

Only click is imported here and at the top of the command modules. mlflow takes seconds to import,
so it is imported inside the functions that ask a store: help and schema stay instant.
"""

from mlflow_lime.cli.main import main

__all__ = ["main"]
