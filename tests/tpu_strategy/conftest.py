"""tensorflow-tpu on a machine without a TPU: an environment of its own, `make tpu-check`."""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TPU_SKIP_MDS_QUERY"] = "1"  # else libtpu asks Google's metadata server, without end
sys.path.insert(0, str(Path(__file__).parent.parent / "tpu"))
