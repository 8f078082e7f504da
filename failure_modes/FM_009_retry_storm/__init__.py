"""FM_009: retry storm."""
