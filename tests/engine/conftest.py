"""Worker processes find the work of these tests beside them."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from own_store import store  # noqa: F401
