"""FM_008: retry amplification."""
