"""Many snapshots: where they are, who works on them, and where the results are kept."""
