"""VLMEvalKit with mien's datasets: takes what VLMEvalKit's own ``run.py`` takes.

The same as ``python -m mien.bench.harness.vlmevalkit``; a file is what torchrun wants:
``torchrun --nproc-per-node=8 integrations/vlmevalkit/run.py --data mien_rafdb_expression ...``.
"""

import sys

from mien.bench.harness.vlmevalkit import HarnessError, main

if __name__ == "__main__":
    try:
        main()
    except HarnessError as problem:
        sys.exit(f"error: {problem}")
