"""The judge's process: `main` runs in it, `handle` is the judge seen from the control process."""
